"""What Prometheus sees of a relay. Values are read from the engine and the subscriptions at scrape time."""

from collections.abc import Callable, Collection, Iterator
from typing import Final

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from offhook.service.metric_families import counter, counters_by, gauge, gauges_by
from relay.engine.interface import Engine
from relay.subscriptions import Subscriptions
from wire.drop import DropReason

# Field of EngineCounters: family, help text. Bytes are without the SPP header on both sides, so that they compare.
_TOTALS: Final = {
    "client_datagrams_received": ("fabric_relay_client_datagrams_received", "Datagrams from clients."),
    "client_bytes_received": ("fabric_relay_client_received_bytes", "UDP payload from clients."),
    "client_datagrams_sent": ("fabric_relay_client_datagrams_sent", "Datagrams to clients."),
    "client_bytes_sent": ("fabric_relay_client_sent_bytes", "UDP payload to clients."),
    "transceiver_datagrams_received": (
        "fabric_relay_transceiver_datagrams_received",
        "Datagrams on the upstream side, from whomever.",
    ),
    "transceiver_bytes_received": (
        "fabric_relay_transceiver_received_bytes",
        "UDP payload on the upstream side, without the SPP header.",
    ),
    "transceiver_datagrams_sent": ("fabric_relay_transceiver_datagrams_sent", "Datagrams to transceivers."),
    "transceiver_bytes_sent": (
        "fabric_relay_transceiver_sent_bytes",
        "UDP payload to transceivers, without the SPP header.",
    ),
    "checks_verified": ("fabric_relay_checks_verified", "STUN checks with good integrity."),
    "synced_flows_refused": (
        "fabric_relay_synced_flows_refused",
        "Flows that a transceiver vouched for and that found no room.",
    ),
}


class RelayCollector(Collector):
    """Reads one relay process.

    Args:
        engine, subscriptions: what is read.
        key_ids: ids of the routing keys in force.
    """

    def __init__(self, engine: Engine, subscriptions: Subscriptions, key_ids: Callable[[], Collection[str]]) -> None:
        self._engine = engine
        self._subscriptions = subscriptions
        self._key_ids = key_ids

    def collect(self) -> Iterator[Metric]:
        """All families."""
        yield from self._traffic()
        yield gauge("fabric_relay_flows", "Client five-tuples held.", self._engine.flow_count())
        yield gauges_by(
            "fabric_relay_budget_left",
            "What is left of each budget for strangers, 0 to 1, of the thread that has least.",
            "budget",
            self._engine.budgets()._asdict(),
        )
        yield gauges_by(
            "fabric_relay_route_key", "1 for each routing key in force.", "id", dict.fromkeys(self._key_ids(), 1.0)
        )
        yield from self._flow_sync()

    def _traffic(self) -> Iterator[Metric]:
        counters = self._engine.counters()
        for field, (name, text) in _TOTALS.items():
            yield counter(name, text, getattr(counters, field))
        yield counters_by(
            "fabric_relay_drops",
            "Datagrams discarded, by reason.",
            "reason",
            {reason.value: counters.drops[reason] for reason in DropReason},
        )

    def _flow_sync(self) -> Iterator[Metric]:
        states = [client.state for client in self._subscriptions.clients]
        yield gauge("fabric_relay_transceivers", "Transceivers discovered.", len(states))
        yield gauge(
            "fabric_relay_transceivers_synced",
            "Transceivers whose flows are known in full and whose stream is open.",
            sum(state.synced for state in states),
        )
        yield gauge(
            "fabric_relay_transceivers_draining",
            "Transceivers that take no new calls.",
            sum(state.draining for state in states),
        )
        yield counter(
            "fabric_relay_sync_streams_opened", "Flow sync streams opened.", self._subscriptions.streams_opened
        )
