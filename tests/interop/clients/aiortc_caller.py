"""aiortc: WebRTC for Python, on FFmpeg's codecs. It has no ICE restart.

python aiortc_caller.py HTTP API_KEY DATA_DIRECTORY
"""

import asyncio
import base64
import fractions
import sys
import time
import wave
from pathlib import Path

import aiortc
import av
import numpy as np
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from whip import (
    EVENT_MESSAGES,
    EVENTS,
    GOODBYE_S,
    HANG_UP_SEEN_WITHIN_S,
    OTHER,
    OTHER_MESSAGES,
    PATIENCE_S,
    Call,
    print_findings,
)

FRAME_S = 0.02
HEARD_RATE = 48_000


class Speech(MediaStreamTrack):
    """A file at its own pace; silence before `begin` and after its end."""

    kind = "audio"

    def __init__(self, path: Path) -> None:
        super().__init__()
        with wave.open(str(path)) as file:
            self.rate = file.getframerate()
            self.samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        self._frame_samples = int(self.rate * FRAME_S)
        self._next: int | None = None
        self._sent = 0
        self._started = time.monotonic()

    def begin(self) -> None:
        self._next = 0

    async def recv(self) -> av.AudioFrame:
        await asyncio.sleep(max(0.0, self._started + self._sent * FRAME_S - time.monotonic()))
        samples = np.zeros(self._frame_samples, "<i2")
        if self._next is not None:
            spoken = self.samples[self._next : self._next + self._frame_samples]
            samples[: len(spoken)] = spoken
            self._next += self._frame_samples
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = self.rate
        frame.pts = self._sent * self._frame_samples
        frame.time_base = fractions.Fraction(1, self.rate)
        self._sent += 1
        return frame


class Peer:
    """One side of a call, with the given data channels."""

    def __init__(self, data: Path, *labels: str) -> None:
        self.connection = aiortc.RTCPeerConnection(aiortc.RTCConfiguration(iceServers=[]))
        self.speech = Speech(data / "speech.wav")
        self.heard: list[bytes] = []
        self.connected, self.ended = asyncio.Event(), asyncio.Event()
        self.channels = {label: self.connection.createDataChannel(label) for label in labels}
        self.connection.addTrack(self.speech)
        self.connection.on("connectionstatechange", self._state_changed)
        self.connection.on("track", lambda track: asyncio.ensure_future(self._listen(track)))

    def _state_changed(self) -> None:
        if self.connection.connectionState == "connected":
            self.connected.set()
        elif self.connection.connectionState in ("closed", "failed"):
            self.ended.set()

    async def _listen(self, track: MediaStreamTrack) -> None:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=HEARD_RATE)
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            assert isinstance(frame, av.AudioFrame)
            self.heard += [bytes(part.planes[0])[: part.samples * 2] for part in resampler.resample(frame)]

    async def place(self, http: str, api_key: str) -> Call:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        call = await asyncio.to_thread(Call, http, api_key, self.connection.localDescription.sdp)
        await self.connection.setRemoteDescription(aiortc.RTCSessionDescription(call.answer, "answer"))
        async with asyncio.timeout(PATIENCE_S):
            await self.connected.wait()
        return call

    async def echoes(self, label: str, messages: tuple[str | bytes, ...]) -> bool:
        channel = self.channels[label]
        inbox: asyncio.Queue[str | bytes] = asyncio.Queue()
        opened = asyncio.Event()
        channel.on("message", inbox.put_nowait)
        channel.on("open", opened.set)
        async with asyncio.timeout(PATIENCE_S):
            if channel.readyState != "open":
                await opened.wait()
            for message in messages:
                channel.send(message)
                if await inbox.get() != message:
                    return False
        return True

    async def speak(self) -> dict[str, object]:
        self.heard.clear()
        self.speech.begin()
        await asyncio.sleep(len(self.speech.samples) / self.speech.rate)
        return {
            "form": "samples",
            "sent": base64.b64encode(self.speech.samples.tobytes()).decode(),
            "sent_rate": self.speech.rate,
            "received": base64.b64encode(b"".join(self.heard)).decode(),
            "received_rate": HEARD_RATE,
        }


async def sees_the_end(peer: Peer) -> bool:
    try:
        async with asyncio.timeout(HANG_UP_SEEN_WITHIN_S):
            await peer.ended.wait()
    except TimeoutError:
        return False
    return True


async def main(http: str, api_key: str, data: Path) -> None:
    peer = Peer(data, EVENTS, OTHER)
    call = await peer.place(http, api_key)
    echoed = await peer.echoes(EVENTS, EVENT_MESSAGES) and await peer.echoes(OTHER, OTHER_MESSAGES)
    audio = await peer.speak()
    await asyncio.to_thread(call.hang_up)
    saw_hang_up = await sees_the_end(peer)
    await peer.connection.close()

    second = Peer(data, EVENTS)
    closed_call = await second.place(http, api_key)
    await second.connection.close()
    await asyncio.sleep(GOODBYE_S)
    print_findings(
        {
            "version": aiortc.__version__,
            "call": call.id,
            "offer": call.offer,
            "echoed": echoed,
            "audio": audio,
            "saw_hang_up": saw_hang_up,
            "closed_call": closed_call.id,
        }
    )


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
