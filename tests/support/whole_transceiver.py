"""A whole transceiver in the process of the test, every part as in production, with the plainest relay before it."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from offhook.service.config import new_key_file
from tests.support.http_scene import KEY, RIVAL_KEY
from tests.support.webrtc_client import WebRtcClient
from transceiver import service
from transceiver.config import TransceiverConfig
from wire.address import Address, format_address, parse_address
from wire.spp import HEADER_BYTES, SppHeader, decode_header, encode_header

CALLS = "/v1/realtime/calls"
READY_WITHIN_S = 20.0


def config(directory: Path, **given: Any) -> TransceiverConfig:  # noqa: ANN401 - any field of the configuration
    """A configuration without relays or workers; its model is loopback."""
    (directory / "keys.json").write_text(json.dumps(new_key_file()))
    (directory / "client_secret_keys.json").write_text(json.dumps(new_key_file()))
    (directory / "api_keys").write_text(f"{KEY}\nrivals {RIVAL_KEY}\n")
    fields: dict[str, Any] = {
        "name": "transceiver-1",
        "cluster_id": 1,
        "transceiver_id": 1,
        "http_listen": "127.0.0.1:0",
        "peer_listen": "127.0.0.1:0",
        "media_listen": "127.0.0.1:0",
        "route_listen": f"unix:{directory}/route.sock",
        "admin_listen": "127.0.0.1:0",
        "candidates": ("127.0.0.1:3478",),
        "keys_file": directory / "keys.json",
        "api_keys_file": directory / "api_keys",
        "client_secret_keys_file": directory / "client_secret_keys.json",
    }
    return TransceiverConfig(**fields | given)


class WholeTransceiver:
    """One that is ready.

    Attributes:
        http: base URL of the API, by its peer address.
        admin: base URL of what is for operators.
        headers: of requests, with a key.
        stop: ends it, as SIGTERM would.
    """

    def __init__(self, task: "asyncio.Task[None]", stop: asyncio.Event, ready: dict[str, str]) -> None:
        self.task = task
        self.stop = stop
        self.http = ready["http"]
        self.media = parse_address(ready["media"])
        self.headers = {"Authorization": f"Bearer {KEY}"}
        self._metrics = ready["metrics"]
        self.admin = self._metrics.removesuffix("/metrics")

    async def place(self, base_url: str | None = None) -> tuple[int, str]:
        """Places a call whose client never comes: the status, and the call's id or the error's code."""
        async with (
            aiohttp.ClientSession(headers=self.headers) as client,
            client.post(
                (base_url or self.http) + CALLS,
                data=WebRtcClient().offer(),
                headers={"Content-Type": "application/sdp"},
            ) as answer,
        ):
            if answer.status == 201:
                return answer.status, answer.headers["Location"].rpartition("/")[2]
            return answer.status, (await answer.json())["error"]["code"]

    async def readiness(self) -> str:
        """What /readyz says."""
        return await self._get(self.admin + "/readyz")

    async def report_on(self, call_id: str) -> dict[str, Any]:
        """What is known of a call that has ended."""
        report: dict[str, Any] = json.loads(await self._get(f"{self.admin}/calls/{call_id}"))
        return report

    async def metrics(self) -> str:
        """Its metrics, as text."""
        return await self._get(self._metrics)

    async def _get(self, url: str) -> str:
        async with aiohttp.ClientSession() as client, client.get(url) as answer:
            return (await answer.text()).strip()


@asynccontextmanager
async def whole_transceiver(configuration: TransceiverConfig, directory: Path) -> AsyncIterator[WholeTransceiver]:
    """One that is ready; stopped at the end if the test did not."""
    stop, ready_file = asyncio.Event(), directory / "ready.json"
    task = asyncio.create_task(service.serve(configuration, stop, ready_file))
    try:
        async with asyncio.timeout(20):
            while not ready_file.exists():
                assert not task.done(), task.exception()
                await asyncio.sleep(0.01)
        yield WholeTransceiver(task, stop, json.loads(ready_file.read_text()))
    finally:
        stop.set()
        task.cancel()
        await asyncio.wait([task])


class PlainRelay(asyncio.DatagramProtocol):
    """Puts the envelope on what clients send, and takes it off what they get.

    Attributes:
        public: where clients find it.
        transceiver: what is behind it; nothing comes before that is known.
    """

    transceiver: Address
    public: Address

    async def open(self) -> asyncio.DatagramTransport:
        """Begins to listen."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        self.public = Address(*self._transport.get_extra_info("sockname")[:2])
        return self._transport

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        source = Address(*addr)
        if source != self.transceiver:
            self._transport.sendto(encode_header(source, self.public) + data, self.transceiver)
            return
        header = decode_header(data)
        assert isinstance(header, SppHeader)
        self._transport.sendto(data[HEADER_BYTES:], header.client)


@asynccontextmanager
async def reachable_transceiver(directory: Path, **given: Any) -> AsyncIterator[WholeTransceiver]:  # noqa: ANN401 - see `config`
    """A whole transceiver that clients of this host reach through a plain relay."""
    relay = PlainRelay()
    transport = await relay.open()
    try:
        configuration = config(
            directory, candidates=(format_address(relay.public),), relay_networks=("127.0.0.0/8",), **given
        )
        async with whole_transceiver(configuration, directory) as transceiver:
            relay.transceiver = transceiver.media
            yield transceiver
    finally:
        transport.close()


def metric(text: str, name: str) -> float:
    """A figure among metrics."""
    found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
    assert found is not None, name
    return float(found[1])


async def until_ready(transceiver: WholeTransceiver, workers: int) -> None:
    """Waits until so many workers are connected."""
    async with asyncio.timeout(READY_WITHIN_S):
        while metric(await transceiver.metrics(), "fabric_transceiver_workers_ready") < workers:
            await asyncio.sleep(0.05)
