"""The endpoints that Kubernetes and Prometheus ask: `/livez`, `/readyz`, `/metrics`; plain HTTP, cluster-internal.

A transceiver has the reports on its latest calls as well: `/calls/{id}`.

Alive and ready are different questions: a process that drains is alive (killing it would cut its calls) but not ready
(it must get no new ones).
"""

from collections.abc import Callable, Mapping

from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder

from wire.address import Address


class AdminServer:
    """Serves the endpoints of one process.

    Args:
        listen: where to listen; port 0 takes a free one.
        registry: what `/metrics` exposes, beside what any process has to say: CPU, memory, open files.
        readiness: None when ready, else the reason in one line, which `/readyz` answers with status 503.
        call_report: what is known of a call that has ended, for `/calls/{id}`; None: there is no such endpoint.
        failure: None while everything works that only a restart could mend, else what does not; for `/livez` likewise.
    """

    def __init__(
        self,
        listen: Address,
        registry: CollectorRegistry,
        readiness: Callable[[], str | None],
        failure: Callable[[], str | None] = lambda: None,
        call_report: Callable[[str], Mapping[str, object] | None] | None = None,
    ) -> None:
        self._listen = listen
        self._registry = registry
        ProcessCollector(registry=registry)
        self._readiness = readiness
        self._failure = failure
        app = web.Application()
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics)
        if call_report is not None:
            self._call_report = call_report
            app.router.add_get("/calls/{id}", self._call)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)

    async def start(self) -> Address:
        """Begin to listen; returns the address in use.

        Raises:
            OSError: it cannot be had.
        """
        await self._runner.setup()
        await web.TCPSite(self._runner, self._listen.host, self._listen.port).start()
        host, port, *_ = self._runner.addresses[0]
        return Address(host, port)

    async def stop(self) -> None:
        """Close the listener and every connection. Harmless when not started."""
        await self._runner.cleanup()

    async def _livez(self, request: web.Request) -> web.Response:
        # That the event loop gets to answer is most of the check.
        return _answer(self._failure())

    async def _readyz(self, request: web.Request) -> web.Response:
        return _answer(self._readiness())

    async def _metrics(self, request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(self._registry), headers={"Content-Type": content_type})

    async def _call(self, request: web.Request) -> web.Response:
        found = self._call_report(request.match_info["id"])
        return web.json_response(found) if found is not None else web.Response(status=404, text="no such report\n")


def _answer(reason: str | None) -> web.Response:
    if reason is None:
        return web.Response(text="ok\n")
    return web.Response(status=503, text=f"{reason}\n")
