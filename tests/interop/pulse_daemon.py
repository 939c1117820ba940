"""A PulseAudio of our own: the microphone and the loudspeaker of a browser that has no fake ones of use.

Firefox's fake microphone is a tone, and without a sound server its AudioContext never runs.
"""

import asyncio
import contextlib
import tempfile
import wave
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from pathlib import Path

START_WITHIN_S = 10.0
# Longer than any test; played from a file, because a player that is started again and again leaves gaps.
LOOP_S = 300
# What goes into `microphone` is what the default source gives; what a browser plays goes to `speaker` and nowhere.
# `norewinds` keeps a null sink's clock at 50 ms; by default an idle one ticks every 2 s, and a first call waits for it.
CONFIGURATION = """
load-module module-native-protocol-unix socket={socket} auth-anonymous=1
load-module module-null-sink norewinds=1 sink_name=microphone rate=48000 channels=1
load-module module-null-sink norewinds=1 sink_name=speaker rate=48000 channels=2
set-default-sink speaker
set-default-source microphone.monitor
"""


@contextlib.asynccontextmanager
async def running_pulse_daemon(speech: Path) -> AsyncIterator[str]:
    """Starts the daemon and plays `speech` (WAV) into its microphone, again and again; gives PULSE_SERVER's value."""
    async with contextlib.AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="offhook-pulse-")))
        socket, script = home / "native", home / "default.pa"
        script.write_text(CONFIGURATION.format(socket=socket))
        environment = {"HOME": str(home), "XDG_RUNTIME_DIR": str(home), "PULSE_SERVER": f"unix:{socket}"}
        daemon = await _start(
            *("pulseaudio", "-n", f"--file={script}", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1"),
            *("--disable-shm=yes", "--log-level=error"),
            environment=environment,
        )
        stack.push_async_callback(_stop, daemon)
        async with asyncio.timeout(START_WITHIN_S):
            await _until_listening(socket, daemon)
        loop, format_options = _write_loop(speech, home)
        player = await _start(
            *("pacat", "--playback", "--device=microphone", "--latency-msec=40", *format_options, str(loop)),
            environment=environment,
        )
        stack.push_async_callback(_stop, player)
        yield environment["PULSE_SERVER"]


def _write_loop(speech: Path, directory: Path) -> tuple[Path, list[str]]:
    with wave.open(str(speech)) as source:
        rate, channels = source.getframerate(), source.getnchannels()
        once = source.readframes(source.getnframes())
    loop = directory / "loop.raw"
    bytes_per_s = rate * channels * 2
    loop.write_bytes(once * (LOOP_S * bytes_per_s // len(once)))
    return loop, ["--raw", "--format=s16le", f"--rate={rate}", f"--channels={channels}"]


async def _start(*command: str, environment: dict[str, str]) -> Process:
    return await asyncio.create_subprocess_exec(*command, env={"PATH": "/usr/bin:/bin", **environment}, stdin=DEVNULL)


async def _until_listening(socket: Path, daemon: Process) -> None:
    while True:
        try:
            _, writer = await asyncio.open_unix_connection(socket)
        except (FileNotFoundError, ConnectionRefusedError):
            if daemon.returncode is not None:
                raise RuntimeError(f"pulseaudio ended with code {daemon.returncode}") from None
            await asyncio.sleep(0.02)
        else:
            writer.close()
            await writer.wait_closed()
            return


async def _stop(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(5):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
