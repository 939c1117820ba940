"""An HTTP proxy before a target, that leads the media of its calls over paths of our own making.

```
 caller ──POST offer──▶ proxy ──────────▶ target
        ◀──answer────        ◀──answer──
           its candidates are ours
 caller ◀═══ UdpPath, one for each candidate ═══▶ relay
```
"""

import asyncio
import itertools
import ssl
from typing import Final, Self
from urllib.parse import urlsplit

from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, web

from bench.impairment.udp_path import Address, Conditions, UdpPath

ANSWER_WITHIN_S: Final = 30.0
BODY_BYTES: Final = 256 * 1024
PATHS: Final = 64
"""Candidates of different addresses, over all calls; a target that has more is not one to be put behind this."""
TICK_S: Final = 0.01
LATE_S: Final = 0.02
"""A datagram's worth: what leaves later than this was held up by us and not by the path."""
HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "content-encoding",
        "content-length",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""RFC 9110 section 7.6.1, and what the next hop says anew."""


class ImpairedTarget:
    """Listens on 127.0.0.1 from `listen` until `close`.

    Args:
        target: URL of the target; the proxy serves its whole origin.
        callers: how many may call over it at once.
        ca_file: certificates (PEM) of those who vouch for the target, if it has TLS; callers reach us without.
        seed: of what is lost and how much is early or late.

    Attributes:
        conditions: of all paths; a request and its answer wait for the delay too.
    """

    def __init__(self, target: str, *, callers: int, ca_file: str | None = None, seed: int = 0) -> None:
        self.conditions = Conditions()
        parts = urlsplit(target)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._callers = callers
        self._ca_file = ca_file
        self._seeds = itertools.count(seed)
        self._paths: dict[Address, UdpPath] = {}
        self._making = asyncio.Lock()
        self._runner: web.AppRunner | None = None
        self._client: ClientSession | None = None
        self._clock: asyncio.Task[None] | None = None
        self._ticks = self._late_ticks = 0

    async def listen(self) -> Self:
        """Opens the proxy's port."""
        application = web.Application(client_max_size=BODY_BYTES)
        application.router.add_route("*", "/{path:.*}", self._forward)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        trusted = ssl.create_default_context(cafile=self._ca_file) if self._ca_file is not None else True
        self._client = ClientSession(
            connector=TCPConnector(limit=0, ssl=trusted),
            timeout=ClientTimeout(total=ANSWER_WITHIN_S),
            cookie_jar=DummyCookieJar(),
            auto_decompress=True,
        )
        self._clock = asyncio.create_task(self._watch_own_delay())
        return self

    @property
    def late_share(self) -> float:
        """Share of the time in which we were so late that it is our delay which is measured."""
        return self._late_ticks / max(1, self._ticks)

    async def _watch_own_delay(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + TICK_S
            await asyncio.sleep(TICK_S)
            self._ticks += 1
            self._late_ticks += loop.time() - due > LATE_S

    def reached_by(self, url: str) -> str:
        """The target's URL as it is through the proxy."""
        assert self._runner is not None
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}{url.removeprefix(self._origin)}"

    async def rebind(self) -> int:
        """Every caller appears from a new address. Returns how many there are."""
        return sum([await path.rebind() for path in self._paths.values()])

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        assert self._client is not None
        body = await request.read()
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
        await asyncio.sleep(self.conditions.one_way_s)
        try:
            async with self._client.request(
                request.method, f"{self._origin}{request.rel_url}", data=body, headers=headers, allow_redirects=False
            ) as answer:
                content = await answer.read()
        except (ClientError, TimeoutError):
            # To the caller it is as if nobody answered: it would be a lie to answer for the target.
            if request.transport is not None:
                request.transport.abort()
            raise web.HTTPBadGateway from None
        await asyncio.sleep(self.conditions.one_way_s)
        if answer.content_type == "application/sdp":
            content = (await self._with_our_candidates(content.decode())).encode()
        told = {name: value for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP}
        if told.get("Location", "").startswith(self._origin):
            told["Location"] = self.reached_by(told["Location"])
        return web.Response(status=answer.status, body=content, headers=told)

    async def _with_our_candidates(self, answer: str) -> str:
        lines = [await self._ours(line) if line.startswith("a=candidate:") else line for line in answer.split("\r\n")]
        return "\r\n".join(line for line in lines if line is not None)

    async def _ours(self, line: str) -> str | None:
        """The candidate with our address, as RFC 8839 section 5.1 has it; None: it is one that leads past us.

        `a=candidate:FOUNDATION COMPONENT TRANSPORT PRIORITY ADDRESS PORT typ …`
        """
        fields = line.split(" ")
        if len(fields) < 8 or fields[2].lower() != "udp" or not fields[5].isdigit():
            return None
        path = await self._path_to((fields[4], int(fields[5])))
        if path is None:
            return None
        fields[4], fields[5] = path.address[0], str(path.address[1])
        return " ".join(fields)

    async def _path_to(self, server: Address) -> UdpPath | None:
        async with self._making:
            if server not in self._paths and len(self._paths) < PATHS:
                path = UdpPath(self.conditions, max_clients=self._callers, seed=next(self._seeds))
                path.forward_to(server)
                self._paths[server] = await path.listen()
        return self._paths.get(server)

    async def close(self) -> None:
        """Closes all ports."""
        if self._clock is not None:
            self._clock.cancel()
        if self._client is not None:
            await self._client.close()
        if self._runner is not None:
            await self._runner.cleanup()
        for path in self._paths.values():
            await path.close()
