"""A WebRTC client on a real UDP socket: calls a running fabric over HTTP and talks."""

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from types import TracebackType
from typing import Protocol, Self

import aiohttp

from tests.support.webrtc_client import ClientOptions, WebRtcClient
from wire.address import Address, parse_address

FRAME_S = 0.02
FRAME_SAMPLES = 960
SPEAK_PAYLOAD_BYTES = 60


class Reachable(Protocol):
    """A fabric as a caller sees it: base URL of the API, and request headers with its key."""

    @property
    def http(self) -> str: ...

    @property
    def headers(self) -> dict[str, str]: ...


class LiveCaller(asyncio.DatagramProtocol):
    """One client on a socket of its own. Use it as a context manager; `call` places the call."""

    def __init__(
        self, fabric: Reachable, options: ClientOptions | None = None, *, local_host: str = "127.0.0.1"
    ) -> None:
        self.fabric = fabric
        self._local_host = local_host
        self.client = WebRtcClient(options)
        self.location = ""
        self.frames_sent = 0
        self._http = aiohttp.ClientSession(headers=fabric.headers)
        self._candidate: Address | None = None
        self._transport: asyncio.DatagramTransport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._arrived = asyncio.Event()
        self._speaker: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(self._local_host, 0))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop_speaking()
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.close()
        await self._http.close()

    def mark(self, dscp: int) -> None:
        """Marks every datagram sent from now on."""
        assert self._transport is not None
        self._transport.get_extra_info("socket").setsockopt(socket.IPPROTO_IP, socket.IP_TOS, dscp << 2)

    @property
    def call_id(self) -> str:
        """The id that `Location` named."""
        return self.location.rpartition("/")[2]

    async def call(self, *, path: str = "/v1/realtime/calls?model=echo", base_url: str | None = None) -> None:
        """Places the call and waits until DTLS is up."""
        await self.place(path=path, base_url=base_url)
        await self.until(lambda: self.client.connected_at is not None, "DTLS is up")

    async def place(self, *, path: str, base_url: str | None = None) -> None:
        """Places the call; the answer starts ICE."""
        offer = self.client.offer()
        async with self._http.post(
            (base_url or self.fabric.http) + path, data=offer, headers={"Content-Type": "application/sdp"}
        ) as response:
            body = await response.text()
            assert response.status == 201, body
            self.location = response.headers["Location"]
        self.take_answer(body)

    def take_answer(self, body: str) -> None:
        """Takes the answer to `client.offer()`, which starts ICE."""
        candidate = next(line for line in body.splitlines() if line.startswith("a=candidate:"))
        fields = candidate.split()
        host, port = fields[4], int(fields[5])
        self._candidate = parse_address(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        self.client.accept(body, time.monotonic())
        self._progress()

    async def request(
        self,
        method: str,
        path: str,
        *,
        base_url: str | None = None,
        headers: dict[str, str] | None = None,
        body: str = "",
    ) -> tuple[int, str, Mapping[str, str]]:
        """Another request with the same key: status, body, headers."""
        async with self._http.request(
            method, (base_url or self.fabric.http) + path, data=body or None, headers=headers
        ) as response:
            return response.status, await response.text(), response.headers

    def accept_fragment(self, fragment: str) -> None:
        """Takes the server's new ICE credentials, as WHIP's PATCH answers them, and starts ICE anew."""
        values = dict(line.removeprefix("a=").split(":", 1) for line in fragment.splitlines() if ":" in line)
        self.client.ice.start(values["ice-ufrag"], values["ice-pwd"], time.monotonic())
        self._progress()

    # Speaking

    def speak(self) -> None:
        """Sends a distinct frame every 20 ms until `stop_speaking`."""
        self._speaker = asyncio.ensure_future(self._speak())

    async def _speak(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            self.send_frame()
            due += FRAME_S
            await asyncio.sleep(max(0.0, due - loop.time()))

    def send_frame(self) -> None:
        """One frame, told apart by its number. Its first byte is an Opus TOC of 20 ms."""
        self.client.send_audio(frame(self.frames_sent), self.frames_sent * FRAME_SAMPLES, level=30)
        self.frames_sent += 1
        self._progress()

    async def stop_speaking(self) -> None:
        """Falls silent."""
        if self._speaker is not None:
            self._speaker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._speaker
            self._speaker = None

    async def say(self, payloads: Sequence[bytes], frame_samples: int = FRAME_SAMPLES) -> None:
        """Sends real frames of 20 ms at their pace; `frame_samples` is their length in RTP timestamps."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        for payload in payloads:
            self.client.send_audio(payload, self.frames_sent * frame_samples, level=30)
            self.frames_sent += 1
            self._progress()
            due += FRAME_S
            await asyncio.sleep(max(0.0, due - loop.time()))

    @property
    def heard(self) -> list[bytes]:
        """Payloads that came back, in order of arrival."""
        return [audio.payload for audio in self.client.audio]

    # Time and datagrams

    async def until(self, condition: Callable[[], bool], what: str, *, within_s: float = 15.0) -> None:
        """Returns once `condition` holds; it is looked at after every datagram and timer."""
        try:
            async with asyncio.timeout(within_s):
                while not condition():
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            raise AssertionError(f"not within {within_s} s: {what}") from None

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        self.client.receive(data, time.monotonic())
        self._progress()

    def send_raw(self, datagram: bytes) -> None:
        """Sends what no honest client would."""
        assert self._transport is not None
        self._transport.sendto(datagram, self._candidate)

    def flush(self) -> None:
        """Sends what the client has queued."""
        assert self._transport is not None
        for datagram in self.client.take_datagrams():
            self._transport.sendto(datagram, self._candidate)

    def _progress(self) -> None:
        self.flush()
        self._arrived.set()
        if self._timer is not None:
            self._timer.cancel()
        due = self.client.next_timeout()
        if due is not None:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, due - time.monotonic()), self._fire)

    def _fire(self) -> None:
        self.client.handle_timeout(time.monotonic())
        self._progress()


def frame(number: int) -> bytes:
    """The payload of frame `number`."""
    return b"\x78" + number.to_bytes(4, "big") * (SPEAK_PAYLOAD_BYTES // 4)


def frame_number(payload: bytes) -> int:
    """The number of the frame with this payload."""
    return int.from_bytes(payload[1:5], "big")


@contextlib.asynccontextmanager
async def calling(
    fabric: Reachable,
    *,
    model: str = "echo",
    base_url: str | None = None,
    options: ClientOptions | None = None,
    local_host: str = "127.0.0.1",
) -> AsyncIterator[LiveCaller]:
    """A connected call in which the client speaks."""
    async with LiveCaller(fabric, options, local_host=local_host) as caller:
        await caller.call(path=f"/v1/realtime/calls?model={model}", base_url=base_url)
        caller.speak()
        await caller.until(lambda: len(caller.heard) >= 5, "the first echoes")
        yield caller


def error_code(body: str) -> str:
    """The code of an OpenAI error body."""
    code: str = json.loads(body)["error"]["code"]
    return code
