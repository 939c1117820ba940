"""`/livez`, `/readyz` and `/metrics` as Kubernetes and Prometheus see them."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Counter

from offhook.service.admin import AdminServer
from wire.address import Address, format_address


class Service:
    """What an admin server tells of."""

    def __init__(self, host: str) -> None:
        self.not_ready: str | None = "starting"
        self.failure: str | None = None
        self.registry = CollectorRegistry()
        self.admin = AdminServer(Address(host, 0), self.registry, lambda: self.not_ready, lambda: self.failure)
        self.address = Address(host, 0)

    async def get(self, path: str, **headers: str) -> tuple[int, str, str]:
        """Status, type and text."""
        url = f"http://{format_address(self.address)}{path}"
        async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as response:
            return response.status, response.headers["Content-Type"], await response.text()


@pytest.fixture(params=["127.0.0.1", "::1"])
async def service(request: pytest.FixtureRequest) -> AsyncIterator[Service]:
    running = Service(request.param)
    running.address = await running.admin.start()
    yield running
    await running.admin.stop()


async def test_a_process_is_alive_before_it_is_ready(service: Service) -> None:
    assert service.address.port
    assert (await service.get("/livez"))[0] == 200
    status, _, text = await service.get("/readyz")
    assert (status, text) == (503, "starting\n")
    service.not_ready = None
    assert (await service.get("/readyz"))[0] == 200
    service.not_ready = "draining"
    assert (await service.get("/readyz"))[2] == "draining\n"
    assert (await service.get("/livez"))[0] == 200


async def test_a_process_that_only_a_restart_can_mend_is_not_alive(service: Service) -> None:
    service.failure = "1 of 2 threads have died"
    status, _, text = await service.get("/livez")
    assert (status, text) == (503, "1 of 2 threads have died\n")


async def test_metrics_come_in_the_form_that_was_asked_for(service: Service) -> None:
    Counter("example", "An example.", registry=service.registry).inc(3)
    status, content_type, text = await service.get("/metrics")
    assert (status, content_type.partition(";")[0]) == (200, "text/plain")
    assert "example_total 3.0" in text.splitlines()
    _, content_type, text = await service.get("/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert text.endswith("# EOF\n")


async def test_nothing_else_is_served(service: Service) -> None:
    assert (await service.get("/"))[0] == 404


async def test_an_address_in_use_is_an_error() -> None:
    first = AdminServer(Address("127.0.0.1", 0), CollectorRegistry(), lambda: None)
    address = await first.start()
    second = AdminServer(address, CollectorRegistry(), lambda: None)
    with pytest.raises(OSError, match="in use"):
        await second.start()
    await second.stop()
    await first.stop()
