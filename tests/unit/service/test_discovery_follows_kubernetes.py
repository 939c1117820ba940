"""`kubernetes:` and `loadbalancer:` targets against a server that speaks the watch protocol, and breaks it."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest

from offhook.service import kubernetes_watch
from offhook.service.config import ConfigError
from offhook.service.discovery import watch_targets
from offhook.service.discovery_health import DiscoveryHealth, Failure
from offhook.service.kubernetes_watch import LONGEST_RETRY_S, retry_after_s
from tests.support.kubernetes_api import KubernetesApi, kubernetes_api
from tests.support.udp_peer import until

TARGET = "kubernetes:voice/transceivers:route"
BALANCER = "loadbalancer:voice/relays:3478"
KUBECONFIG = "kubernetes.aio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION"
FIRST, SECOND = "10.0.0.1:7001", "10.0.0.2:7001"


def pods(*addresses: str, ports: object = ({"name": "route", "port": 7001},), kind: str = "IPv4") -> Mapping[str, Any]:
    """What matters of an EndpointSlice."""
    endpoints = [{"addresses": [address], "conditions": {"ready": False}} for address in addresses]
    return {"addressType": kind, "endpoints": endpoints, "ports": ports}


def balanced(*ingress: Mapping[str, str]) -> Mapping[str, Any]:
    """What matters of a Service of type LoadBalancer."""
    return {"status": {"loadBalancer": {"ingress": list(ingress)}}}


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubernetes_watch, "RESUME_AFTER_S", 0.001)
    monkeypatch.setattr(kubernetes_watch, "FIRST_RETRY_S", 0.002)
    monkeypatch.setattr(kubernetes_watch, "LONGEST_RETRY_S", 0.02)


@pytest.fixture
async def api(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[KubernetesApi]:
    async with kubernetes_api() as server:
        path = tmp_path / "kubeconfig"
        path.write_text(server.kubeconfig())
        monkeypatch.setattr(KUBECONFIG, str(path))
        yield server


class Follower:
    """What discovery says, as it goes."""

    def __init__(self) -> None:
        self.said: list[frozenset[str]] = []
        self.health = DiscoveryHealth()
        self.ended = False

    async def knows(self, *addresses: str) -> None:
        """Returns when that is what it said last."""
        wanted = frozenset(addresses)
        await until(lambda: self.ended or self.said[-1:] == [wanted], f"{addresses} are found")
        assert not self.ended, "discovery never ends"


@asynccontextmanager
async def following(*targets: str) -> AsyncIterator[Follower]:
    follower = Follower()

    async def follow() -> None:
        async for found in watch_targets(targets, health=follower.health):
            follower.said.append(found)

    def ended(task: asyncio.Task[None]) -> None:
        follower.ended = True

    task = asyncio.create_task(follow())
    task.add_done_callback(ended)
    try:
        yield follower
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_a_change_of_pods_is_known_from_the_watch_alone(api: KubernetesApi) -> None:
    await api.put("a", pods("10.0.0.1"))
    async with following(TARGET) as follower:
        await follower.knows(FIRST)
        await api.watching()
        await api.put("b", pods("10.0.0.2"))
        await follower.knows(FIRST, SECOND)
        await api.put("a", pods("10.0.0.3"))
        await follower.knows("10.0.0.3:7001", SECOND)
        await api.delete("b")
        await follower.knows("10.0.0.3:7001")
    assert (api.listed, len(api.watched)) == (1, 1)
    assert set(api.selections) == {"kubernetes.io/service-name=transceivers"}


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (pods("2001:db8::1", kind="IPv6"), ["[2001:db8::1]:7001"]),
        (pods("10.0.0.1", ports=[{"name": "route", "port": 7001}, {"name": "peer", "port": 8081}]), [FIRST]),
        (pods("10.0.0.1", ports=[{"name": "route", "port": None}, {}]), []),
        (pods("10.0.0.1", ports=None), []),
        (pods("a.example", kind="FQDN"), []),
        ({"addressType": "IPv4", "endpoints": None, "ports": None}, []),
        ({"addressType": "IPv4"}, []),
    ],
)
async def test_a_slice_is_the_addresses_that_can_be_used(
    api: KubernetesApi, body: Mapping[str, Any], found: Sequence[str]
) -> None:
    await api.put("a", body)
    async with following(TARGET) as follower:
        await follower.knows(*found)
        await api.watching()
    assert not follower.health.is_stale(TARGET)


async def test_a_port_may_be_a_number(api: KubernetesApi) -> None:
    await api.put("a", pods("10.0.0.1"))
    async with following("kubernetes:voice/transceivers:7001") as follower:
        await follower.knows(FIRST)


async def test_a_watch_that_ends_is_resumed_where_the_last_bookmark_was(api: KubernetesApi) -> None:
    await api.put("a", pods("10.0.0.1"))
    async with following(TARGET) as follower:
        await api.watching()
        await api.bookmark()
        marked = api.version
        await api.end()
        await until(lambda: len(api.watched) == 2, "it is resumed")
        await api.put("a", pods("10.0.0.2"))
        await follower.knows(SECOND)
    assert (api.listed, api.watched[1]) == (1, marked)
    assert not any(follower.health.failures(failure) for failure in Failure)


async def test_a_dropped_connection_loses_no_change(api: KubernetesApi) -> None:
    await api.put("a", pods("10.0.0.1"))
    async with following(TARGET) as follower:
        await follower.knows(FIRST)
        await api.say(b'{"type": "MODIF')
        api.cut()
        await api.put("a", pods("10.0.0.2"))
        await follower.knows(SECOND)
    assert follower.health.failures(Failure.UNREACHABLE) >= 1


async def test_where_the_server_has_forgotten_the_list_is_read_again(api: KubernetesApi) -> None:
    await api.put("a", pods("10.0.0.1"))
    async with following(TARGET) as follower:
        await follower.knows(FIRST)
        await api.watching()
        api.cut()
        await api.put("a", pods("10.0.0.2"))
        api.compacted = api.version
        await follower.knows(SECOND)
    assert (api.listed, follower.health.failures(Failure.GONE)) == (2, 1)


async def test_a_watch_refused_as_gone_is_an_end_like_that_event(api: KubernetesApi) -> None:
    async with following(TARGET) as follower:
        await api.watching()
        api.refusals.append(410)
        await api.end()
        await until(lambda: api.listed == 2, "the list is read again")
    assert follower.health.failures(Failure.GONE) == 1


NO_EVENTS = {
    "no JSON": b"<html>502 Bad Gateway</html>\n",
    "no text": b"\xff\xfe\x00\n",
    "an empty line": b"\n",
    "no object": b'{"type": "ADDED"}\n',
    "no metadata": b'{"type": "ADDED", "object": {"addressType": "IPv4"}}\n',
    "no version": b'{"type": "ADDED", "object": {"metadata": {"name": "b"}, "addressType": "IPv4"}}\n',
    "no type of addresses": b'{"type": "ADDED", "object": {"metadata": {"name": "b", "resourceVersion": "9"}}}\n',
    "no addresses": b'{"type": "ADDED", "object": {"metadata": {"name": "b", "resourceVersion": "9"}, '
    b'"addressType": "IPv4", "endpoints": [{"addresses": []}]}}\n',
    "an array": b"[1, 2]\n",
    "a line without end": b"x" * 5_000_000 + b"\n",
}


@pytest.mark.parametrize("line", NO_EVENTS.values(), ids=NO_EVENTS.keys())
async def test_what_is_no_event_is_counted_and_the_list_is_read_again(
    api: KubernetesApi, line: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    await api.put("a", pods("10.0.0.1"))
    async with following(TARGET) as follower:
        await follower.knows(FIRST)
        await api.say(line)
        await until(lambda: api.listed == 2, "the list is read again")
        await api.put("a", pods("10.0.0.2"))
        await follower.knows(SECOND)
    assert follower.said == [{FIRST}, {SECOND}], "what was known held"
    assert follower.health.failures(Failure.MALFORMED) == 1
    assert capsys.readouterr().out.count("discovery fails") == 1


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    line=st.binary(max_size=60) | st.from_regex(rb'\{"type": "(ADDED|ERROR)", "object": \{.{0,40}\}\}', fullmatch=True)
)
async def test_no_bytes_end_discovery(api: KubernetesApi, line: bytes) -> None:
    async with following(TARGET) as follower:
        await api.say(line + b"\n")
        await api.put("a", pods("10.0.0.1"))
        await follower.knows(FIRST)
    await api.delete("a")


async def test_while_the_server_is_away_what_it_last_said_holds(
    api: KubernetesApi, capsys: pytest.CaptureFixture[str]
) -> None:
    await api.put("a", pods("10.0.0.1"))
    async with following(TARGET) as follower:
        await follower.knows(FIRST)
        await api.watching()
        await api.stop()
        await until(lambda: follower.health.failures(Failure.UNREACHABLE) > 3, "it is asked again and again")
        assert follower.health.is_stale(TARGET)
        await api.put("a", pods("10.0.0.2"))
        await api.start()
        await follower.knows(SECOND)
        assert not follower.health.is_stale(TARGET)
    assert follower.said == [{FIRST}, {SECOND}]
    said = capsys.readouterr().out
    assert (said.count("discovery fails"), said.count("discovery answers again")) == (1, 1)


async def test_a_server_that_is_away_at_first_is_nobody_until_it_comes(api: KubernetesApi) -> None:
    await api.put("a", pods("10.0.0.1"))
    await api.stop()
    async with following(TARGET) as follower:
        await follower.knows()
        await api.start()
        await follower.knows(FIRST)


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
async def test_a_refusal_is_counted_and_asked_again(api: KubernetesApi, status: int) -> None:
    await api.put("a", pods("10.0.0.1"))
    api.refusals.extend([status] * 3)
    async with following(TARGET) as follower:
        await follower.knows(FIRST)
    assert follower.health.failures(Failure.REFUSED) == 3


def test_patience_grows_to_a_bound_and_no_two_processes_have_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    waits = [retry_after_s(failures) for failures in range(1, 5000)]
    assert all(0.25 <= wait <= LONGEST_RETRY_S for wait in waits)
    assert waits[0] <= 0.5
    assert min(waits[10:]) >= LONGEST_RETRY_S / 2
    assert len(set(waits[10:])) > 1000


async def test_a_load_balancer_is_the_addresses_it_was_given(api: KubernetesApi) -> None:
    await api.put("relays", balanced())
    async with following(BALANCER) as follower:
        await follower.knows()
        await api.watching()
        await api.put("relays", balanced({"ip": "192.0.2.1"}, {"hostname": "a.example"}, {"ip": "2001:db8::1"}))
        await follower.knows("192.0.2.1:3478", "[2001:db8::1]:3478")
        await api.put("relays", {"status": {"loadBalancer": {}}})
        await follower.knows()
        await api.put("relays", {})
        await api.put("relays", balanced({"ip": "192.0.2.7"}))
        await follower.knows("192.0.2.7:3478")
    assert set(api.selections) == {"metadata.name=relays"}
    assert (api.listed, len(api.watched)) == (1, 1)


async def test_who_is_no_pod_and_has_no_kubeconfig_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(KUBECONFIG, str(tmp_path / "nothing"))
    with pytest.raises(ConfigError, match="service account"):
        await anext(watch_targets([TARGET]))


async def test_prometheus_sees_what_fails_and_what_is_old(api: KubernetesApi) -> None:
    api.refusals.extend([403] * 2)
    async with following(TARGET) as follower:
        await until(lambda: not follower.health.is_stale(TARGET), "it answers")
        await api.watching()
        registry = CollectorRegistry()
        registry.register(follower.health)
        exposed = generate_latest(registry).decode()
    assert f'fabric_discovery_stale{{place="{TARGET}"}} 0.0' in exposed
    assert 'fabric_discovery_failures_total{reason="refused"} 2.0' in exposed
    assert 'fabric_discovery_failures_total{reason="malformed"} 0.0' in exposed
