"""An echo server on aiortc, to compare with: WHIP in, every Opus packet back without decoding it.

Runs in a virtual environment of its own (requirements/bench-aiortc.txt), so it imports nothing of offhook. Three things
are unlike aiortc's own examples, all in its favour or needed on one machine: packets pass at once instead of through
jitter buffer and decoder thread; nothing is encoded; candidates are on the loopback interface.

Prints `{"url": …}` when it listens. Ends with SIGTERM.
"""

import asyncio
import contextlib
import json
import signal
from fractions import Fraction

import aioice.ice
import aiortc.rtcpeerconnection
import aiortc.rtcrtpreceiver
from aiohttp import web
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCRtpReceiver, RTCSessionDescription
from aiortc.rtp import RtpPacket
from av.packet import Packet

OPUS_CLOCK = Fraction(1, 48_000)


class NoJitterBuffer:
    """Takes packets and makes no frame of them, so that the decoder's thread has nothing to do."""

    def __init__(self, capacity: int, prefetch: int = 0, is_video: bool = False) -> None:
        self.capacity = capacity

    def add(self, _packet: RtpPacket) -> tuple[bool, None]:
        """No picture is lost, no frame complete."""
        return False, None


class PassingReceiver(RTCRtpReceiver):
    """Hands each packet to its track as it comes, after the book-keeping that RTCP needs."""

    async def _handle_rtp_packet(self, packet: RtpPacket, arrival_time_ms: int) -> None:
        await super()._handle_rtp_packet(packet, arrival_time_ms)
        if self._track is not None:
            passed = Packet(packet.payload)
            passed.pts = packet.timestamp
            passed.time_base = OPUS_CLOCK
            self._track._queue.put_nowait(passed)  # noqa: SLF001 - what aiortc's decoder thread does with a frame


class Echo:
    """The connections, by the number in their location."""

    def __init__(self) -> None:
        self._connections: dict[str, RTCPeerConnection] = {}
        self._opened = 0

    async def create(self, request: web.Request) -> web.Response:
        """SDP offer in, SDP answer out."""
        connection = RTCPeerConnection()
        connection.on("track", lambda track: self._send_back(connection, track))
        await connection.setRemoteDescription(RTCSessionDescription(sdp=await request.text(), type="offer"))
        await connection.setLocalDescription(await connection.createAnswer())
        self._opened += 1
        name = str(self._opened)
        self._connections[name] = connection
        answer = connection.localDescription.sdp
        headers = {"Location": f"/whip/{name}"}
        return web.Response(status=201, text=answer, content_type="application/sdp", headers=headers)

    def _send_back(self, connection: RTCPeerConnection, track: MediaStreamTrack) -> None:
        connection.addTrack(track)

    async def end(self, request: web.Request) -> web.Response:
        """Closes a connection."""
        connection = self._connections.pop(request.match_info["name"], None)
        if connection is not None:
            await connection.close()
        return web.Response()


async def serve() -> None:
    """Serves until SIGTERM."""
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
    aiortc.rtcpeerconnection.RTCRtpReceiver = PassingReceiver
    aiortc.rtcrtpreceiver.JitterBuffer = NoJitterBuffer
    echo = Echo()
    app = web.Application()
    app.router.add_post("/whip", echo.create)
    app.router.add_delete("/whip/{name}", echo.end)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    print(json.dumps({"url": f"http://{host}:{port}/whip"}), flush=True)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await runner.cleanup()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve())
