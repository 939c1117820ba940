"""A stock browser under a test: it opens the demo page, calls, and gives back what it heard."""

import asyncio
import base64
import contextlib
import json
import os
import shutil
import signal
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np

from tests.interop.pulse_daemon import running_pulse_daemon
from tests.interop.recording import Arrivals, Recording

HERE = Path(__file__).parent
SPEECH = HERE.parent / "data" / "speech.wav"
EXECUTABLES = {"chromium": ("chromium", "chromium-browser", "google-chrome"), "firefox": ("firefox-esr", "firefox")}
LAUNCH_WITHIN_S = 40.0
ANSWER_WITHIN_S = 40.0
CLOSE_WITHIN_S = 15.0
# One line holds a whole recording: 30 s of two 16-bit signals in base64.
LONGEST_LINE = 16 * 1024 * 1024


def missing_part(name: str) -> str | None:
    """What keeps browser `name` from being driven here; None when nothing does."""
    if shutil.which("node") is None:
        return "no node here"
    if not (HERE / "node_modules" / "playwright-core").is_dir():
        return "tests/interop has no node_modules: run make setup-test"
    if _executable(name) is None:
        return f"no {name} here"
    if name == "firefox" and shutil.which("pulseaudio") is None:
        return "no pulseaudio here, which is the microphone of firefox"
    return None


def _executable(name: str) -> str | None:
    return next(filter(None, map(shutil.which, EXECUTABLES[name])), None)


@dataclass(frozen=True)
class Status:
    """Where a call stands.

    Attributes:
        state: as in `window.offhook.state`.
        end_reason: the sentence the page gives; None before the end and after a hang-up by the page.
        call_id: rtc_….
        timings: clicked, posted, answered, connected, firstAudio: milliseconds on one clock, None until they happen.
        notice: the text the page shows over the ribbon, "" for none.
    """

    state: str
    end_reason: str | None
    call_id: str | None
    timings: Mapping[str, float | None]
    notice: str

    def elapsed_ms(self, start: str, end: str) -> float:
        """Milliseconds between two timings, both of which must have happened."""
        started, ended = self.timings[start], self.timings[end]
        assert started is not None, f"{start} did not happen"
        assert ended is not None, f"{end} did not happen"
        return ended - started


class BrowserCall:
    """One call, in a page of its own."""

    def __init__(self, driver: "Browser", number: int) -> None:
        self._driver = driver
        self._number = number

    async def status(self) -> Status:
        """Where the call stands now."""
        return Status(**await self._ask("status"))

    async def until(self, state: str, *, within_s: float) -> Status:
        """Waits for a state of the page.

        Raises:
            TimeoutError: it did not come in time.
        """
        async with asyncio.timeout(within_s):
            while (status := await self.status()).state != state:
                await asyncio.sleep(0.02)
            return status

    async def heard_something(self, *, within_s: float) -> Status:
        """Waits for the first sound from the far side.

        Raises:
            TimeoutError: there was none in time.
        """
        async with asyncio.timeout(within_s):
            while (status := await self.status()).timings["firstAudio"] is None:
                await asyncio.sleep(0.02)
            return status

    @contextlib.asynccontextmanager
    async def recording(self) -> AsyncIterator[Recording]:
        """Records both directions for as long as the block runs; the recording is filled at its end."""
        recording = Recording()
        await self._ask("startRecording")
        yield recording
        recorded = await self._ask("stopRecording")
        samples = np.frombuffer(base64.b64decode(recorded["samples"]), "<i2").reshape(-1, 2)
        recording.fill(samples[:, 0] / 32768, samples[:, 1] / 32768, recorded["beganAt"])

    @contextlib.asynccontextmanager
    async def watched_arrivals(self) -> AsyncIterator[Arrivals]:
        """Watches the worker's packets arrive for as long as the block runs; filled at its end."""
        arrivals = Arrivals()
        await self._ask("watchArrivals")
        yield arrivals
        arrivals.fill(await self._ask("takeArrivals"))

    async def speak(self, pcm: bytes) -> None:
        """Says it (16 kHz) to its end; for calls with a scripted microphone."""
        await self._ask("evaluate", name="speak", argument=base64.b64encode(pcm).decode())

    async def watch_events(self) -> None:
        """Keeps the Realtime API's events from here on."""
        await self._ask("evaluate", name="watchEvents")

    async def take_events(self) -> list[dict[str, Any]]:
        """The events since this was asked last; `at` is when each came, in ms on the page's clock."""
        events: list[dict[str, Any]] = await self._ask("evaluate", name="takeEvents")
        return events

    async def send_event(self, event: Mapping[str, object]) -> None:
        """Sends an event of the Realtime API."""
        await self._ask("evaluate", name="sendEvent", argument=event)

    async def jitter_buffer(self) -> tuple[float, int]:
        """How long sound has waited in the jitter buffer so far: seconds over all samples, and of how many."""
        told = await self._ask("evaluate", name="jitterBuffer")
        return told["waited"], told["samples"]

    async def last_packet_at_ms(self) -> float:
        """When the newest packet of sound came, on the page's clock."""
        at_ms: float = await self._ask("evaluate", name="lastPacketAt")
        return at_ms

    async def dial(self) -> None:
        """Presses the button of a page that was only opened."""
        await self._ask("dial")

    async def step(self, name: str, argument: object = None) -> Any:  # noqa: ANN401 - JSON
        """Runs a function of interop_page.mjs in the page."""
        return await self._ask("step", name=name, argument=argument)

    async def hang_up(self) -> None:
        """Presses the button."""
        await self._ask("hangUp")

    async def _ask(self, method: str, **params: object) -> Any:  # noqa: ANN401 - JSON
        return await self._driver.ask(method, call=self._number, **params)


class CallEvents:
    """The Realtime API's events of a call, in order."""

    def __init__(self, call: BrowserCall) -> None:
        self._call = call
        self._waiting: list[dict[str, Any]] = []

    async def next(self, *kinds: str) -> dict[str, Any]:
        """The next one of these kinds; those before it are forgotten.

        Raises:
            RuntimeError: an error is reported.
            TimeoutError: none came.
        """
        async with asyncio.timeout(ANSWER_WITHIN_S):
            while True:
                while self._waiting:
                    event = self._waiting.pop(0)
                    if event["type"] == "error":
                        raise RuntimeError(f"the fabric reports: {event['error']}")
                    if event["type"] in kinds:
                        return event
                await asyncio.sleep(0.02)
                self._waiting = await self._call.take_events()


class Browser:
    """A running browser. Made by `running_browser`."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._requests = 0
        self.pid = 0
        self.version = ""

    async def start(self, **options: str) -> None:
        """Waits until the browser runs."""
        self._send(options)
        started = await self._receive()
        self.pid, self.version = started["pid"], started["version"]

    async def place_call(self, http: str, api_key: str, *, model: str, scripted: bool = False) -> BrowserCall:
        """Opens the page, presses Call and waits until the call is up or has ended.

        `scripted`: the microphone is silent but for what `BrowserCall.speak` is given.

        The browser's own echo cancellation is off: it would take away what the tests listen for.
        """
        address = f"{http}/?{urlencode({'model': model, 'processing': 'off'})}#{urlencode({'key': api_key})}"
        return BrowserCall(self, await self.ask("call", url=address, scripted=scripted))

    async def open_page(self, http: str) -> BrowserCall:
        """Opens the page without calling."""
        return BrowserCall(self, await self.ask("openPage", url=http))

    async def ask(self, method: str, **params: object) -> Any:  # noqa: ANN401 - JSON
        """One request to the driver.

        Raises:
            RuntimeError: it failed in the browser.
            TimeoutError: no answer.
        """
        self._requests += 1
        self._waiting[self._requests] = answer = asyncio.get_running_loop().create_future()
        self._send({"id": self._requests, "method": method, "params": params})
        async with asyncio.timeout(ANSWER_WITHIN_S):
            return await answer

    async def read_answers(self) -> None:
        """Hands answers to those who wait, until the driver ends."""
        while True:
            message = await self._receive()
            answer = self._waiting.pop(message["id"])
            if answer.done():
                continue
            if "error" in message:
                answer.set_exception(RuntimeError(message["error"]))
            else:
                answer.set_result(message["result"])

    def _send(self, message: Mapping[str, object]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\n")

    async def _receive(self) -> Any:  # noqa: ANN401 - JSON
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("the browser's driver ended; its words are above")
        return json.loads(line)

    async def stop(self) -> None:
        """Lets the driver close the browser; kills both if they do not end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await self._process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid or self._process.pid, signal.SIGKILL)
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()


@contextlib.asynccontextmanager
async def running_browser(name: str, speech: Path = SPEECH) -> AsyncIterator[Browser]:
    """Starts `chromium` or `firefox`, headless, with a profile of its own; its microphone plays a WAV over and over."""
    executable = _executable(name)
    assert executable is not None, f"ask missing_part({name!r}) first"
    async with contextlib.AsyncExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory(prefix=f"offhook-{name}-", ignore_cleanup_errors=True))
        environment = {**os.environ, "HOME": home, "TMPDIR": home}
        if name == "firefox":
            environment["PULSE_SERVER"] = await stack.enter_async_context(running_pulse_daemon(speech))
        process = await asyncio.create_subprocess_exec(
            *("node", HERE / "browser_driver.mjs"), stdin=PIPE, stdout=PIPE, env=environment, limit=LONGEST_LINE
        )
        browser = Browser(process)
        stack.push_async_callback(browser.stop)
        async with asyncio.timeout(LAUNCH_WITHIN_S):
            await browser.start(name=name, executable=executable, speech=str(speech))
        reading = asyncio.create_task(browser.read_answers())
        stack.callback(reading.cancel)
        yield browser
