"""A caller with a mouth and an ear: speaks real Opus at its own pace, and keeps what it hears as samples."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import offhook_datapath as datapath

from tests.support.event_reader import EventReader
from tests.support.live_caller import FRAME_SAMPLES, LiveCaller, Reachable
from tests.support.webrtc_client import ClientOptions

FRAME_S = 0.02
FRAME_US = 20_000
MICROPHONE_HZ = 16_000
EAR_HZ = 24_000
_FRAME_BYTES = int(MICROPHONE_HZ * FRAME_S) * 2
AUDIBLE_DBOV = 50
"""A frame that is louder than -50 dBov is heard as sound."""


class SpokenCaller:
    """One call in which the microphone is always on. Times are in monotonic seconds."""

    def __init__(self, caller: LiveCaller) -> None:
        self.caller = caller
        self.events = EventReader(caller)
        self.heard: list[tuple[float, int, bytes]] = []
        """Each frame: when it came, its level in -dBov, its samples at EAR_HZ."""
        self._encoder = datapath.AudioEncoder(
            "opus", MICROPHONE_HZ, bitrate=32_000, complexity=5, fec=False, dtx=False, max_playback_hz=48_000
        )
        self._decoder = datapath.AudioDecoder("opus")
        self._speech = bytearray()
        self._said = asyncio.Event()
        self._read = 0
        self._timestamp = 0
        self.said_at = 0.0
        """When the last audible frame of what was said left."""
        self._microphone = asyncio.create_task(self._record())

    async def close(self) -> None:
        """The microphone goes off."""
        self._microphone.cancel()
        with suppress(asyncio.CancelledError):
            await self._microphone

    # Mouth

    async def say(self, pcm: bytes) -> float:
        """Says it (16 kHz) to its end; returns when its last audible frame left."""
        self._speech += pcm
        self._said.clear()
        await self._said.wait()
        return self.said_at

    async def _record(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            self._send_frame()
            due += FRAME_S
            await asyncio.sleep(max(0.0, due - loop.time()))

    def _send_frame(self) -> None:
        samples = bytes(self._speech[:_FRAME_BYTES]).ljust(_FRAME_BYTES, b"\0")
        spoke = bool(self._speech)
        del self._speech[:_FRAME_BYTES]
        ((payload, level),) = datapath.encode_audio([(self._encoder, samples, 0, False)])
        self.caller.client.send_audio(payload, self._timestamp, level=level)
        self._timestamp += FRAME_SAMPLES
        self.caller.flush()
        self.listen()
        if spoke and level < AUDIBLE_DBOV:
            self.said_at = time.monotonic()
        if spoke and not self._speech:
            self._said.set()

    # Ear

    def listen(self) -> None:
        """Decodes what has come."""
        audio = self.caller.client.audio
        while self._read < len(audio):
            job = (self._decoder, 0, audio[self._read].payload, FRAME_US, [EAR_HZ])
            ((level, _corrupt, (samples,)),) = datapath.decode_audio([job])
            self.heard.append((audio[self._read].at, level, samples))
            self._read += 1

    def samples_since(self, when: float) -> bytes:
        """What was heard from then on."""
        return b"".join(samples for arrived_at, _, samples in self.heard if arrived_at >= when)

    def first_sound_since(self, when: float) -> float | None:
        """When the first audible frame came."""
        times = (at for at, level, _ in self.heard if at >= when and level < AUDIBLE_DBOV)
        return next(times, None)

    # Conversation

    async def configure(self, **session: Any) -> Mapping[str, Any]:  # noqa: ANN401 - JSON
        """Changes the session; the effective one."""
        self.events.send("session.update", session={"type": "realtime", **session})
        updated: Mapping[str, Any] = (await self.events.event("session.updated"))["session"]
        return updated

    async def answer(self) -> dict[str, Any]:
        """The next response, once it is done."""
        response: dict[str, Any] = (await self.events.event("response.done", within_s=30.0))["response"]
        return response

    async def heard_out(self) -> None:
        """Returns when the answer has been played to its end."""
        await self.events.event("output_audio_buffer.stopped", within_s=30.0)
        self.listen()


@asynccontextmanager
async def spoken_call(fabric: Reachable, *, model: str = "agent") -> AsyncIterator[SpokenCaller]:
    """A connected call with its event channel open."""
    async with LiveCaller(fabric, ClientOptions(data_channel=True)) as live:
        await live.call(path=f"/v1/realtime/calls?model={model}")
        caller = SpokenCaller(live)
        try:
            await caller.events.event("session.created")
            yield caller
        finally:
            await caller.close()
