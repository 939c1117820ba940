"""Keys over plain HTTP: taken on this machine and from proxies that end TLS, refused from elsewhere; and TLS itself."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from tests.support.http_scene import KEY
from tests.support.tls_front import make_certificate
from tests.support.whole_transceiver import WholeTransceiver, config, whole_transceiver
from transceiver.signalling.access.plain_http import PlainHttp
from transceiver.signalling.errors import ApiError
from wire.address import Address

PROXIES = ("10.2.0.0/16", "fd00:2::/32")
INNER = Address("10.1.0.1", 8081)


class Connection(asyncio.Transport):
    """What the policy asks of a connection: stands for one across a network, which no test may have."""

    def __init__(self, peer: str, local_port: int) -> None:
        super().__init__()
        self._extra: dict[str, Any] = {"peername": (peer, 40_000), "sockname": ("10.1.0.1", local_port)}

    def get_extra_info(self, name: str, default: object = None) -> Any:  # noqa: ANN401 - as the base class has it
        return self._extra.get(name, default)


def request(peer: str, *, port: int = 8080, tls: bool = False, proto: str | None = None) -> web.Request:
    headers = {"X-Forwarded-Proto": proto} if proto is not None else {}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if tls else None
    transport = Connection(peer, port)
    return make_mocked_request("POST", "/v1/realtime/calls", headers=headers, transport=transport, sslcontext=context)


@pytest.mark.parametrize(
    "taken",
    [
        request("127.0.0.1"),
        request("127.9.9.9"),
        request("::1"),
        request("::ffff:127.0.0.1"),
        request("203.0.113.9", tls=True),
        request("10.2.3.4"),
        request("10.2.3.4", proto="https"),
        request("::ffff:10.2.3.4", proto="HTTPS"),
        request("fd00:2::7", proto="wss"),
        request("10.1.0.2", port=INNER.port),
    ],
)
def test_a_key_that_nobody_else_could_read_is_taken(taken: web.Request) -> None:
    PlainHttp(PROXIES, INNER).check(taken)


@pytest.mark.parametrize(
    "refused",
    [
        request("203.0.113.9"),
        request("2001:db8::9"),
        request("fe80::1%eth0"),
        # Anybody can say that.
        request("203.0.113.9", proto="https"),
        request("10.3.0.1"),
        # The proxy was spoken to in clear.
        request("10.2.3.4", proto="http"),
    ],
)
def test_a_key_over_plain_http_to_a_non_loopback_address(refused: web.Request) -> None:
    with pytest.raises(ApiError) as raised:
        PlainHttp(PROXIES, INNER).check(refused)
    assert (raised.value.status, raised.value.code) == (403, "https_required")


@asynccontextmanager
async def with_tls(directory: Path) -> AsyncIterator[tuple[WholeTransceiver, str, Path, Path]]:
    """A transceiver whose public port speaks TLS: itself, that port's base URL, and the files."""
    certificate, key = make_certificate(directory)
    with socket.socket() as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind(("127.0.0.1", 0))
        public = f"127.0.0.1:{reserved.getsockname()[1]}"
        configuration = config(directory, http_listen=public, tls_certificate_file=certificate, tls_key_file=key)
        async with whole_transceiver(configuration, directory) as transceiver:
            yield transceiver, f"https://{public}", certificate, key


async def test_trap_6_the_public_port_speaks_the_tls_that_openai_node_insists_on(tmp_path: Path) -> None:
    async with with_tls(tmp_path) as (_, url, certificate, _key):
        trusting = ssl.create_default_context(cafile=certificate)
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"}) as client:
            async with client.get(f"{url}/v1/models", ssl=trusting) as answer:
                assert answer.status == 200
            with pytest.raises(aiohttp.ClientError):
                await client.get(url.replace("https", "http") + "/v1/models")


async def test_a_new_certificate_is_used_without_a_restart(tmp_path: Path) -> None:
    async with with_tls(tmp_path) as (_, url, certificate, key):
        (tmp_path / "next").mkdir()
        new_certificate, new_key = make_certificate(tmp_path / "next")
        certificate.write_bytes(new_certificate.read_bytes())
        key.write_bytes(new_key.read_bytes())
        trusting = ssl.create_default_context(cafile=new_certificate)
        headers = {"Authorization": f"Bearer {KEY}"}
        async with asyncio.timeout(20):
            while True:
                async with aiohttp.ClientSession(headers=headers) as client:
                    try:
                        async with client.get(f"{url}/v1/models", ssl=trusting) as answer:
                            assert answer.status == 200
                            return
                    except aiohttp.ClientConnectorCertificateError:
                        await asyncio.sleep(0.1)


def test_a_certificate_without_its_key_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="both or neither"):
        config(tmp_path, tls_certificate_file=tmp_path / "tls.crt")
