"""What Prometheus sees of a relay. Values are read from the engine and the subscriptions at scrape time."""

from collections.abc import Iterator

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from offhook.service.metric_families import counter, counters_by, gauge
from relay.engine.interface import Engine
from relay.subscriptions import Subscriptions
from wire.drop import DropReason


class RelayCollector(Collector):
    """Reads one relay process."""

    def __init__(self, engine: Engine, subscriptions: Subscriptions) -> None:
        self._engine = engine
        self._subscriptions = subscriptions

    def collect(self) -> Iterator[Metric]:
        """All families."""
        counters = self._engine.counters()
        yield counter(
            "fabric_relay_client_datagrams_received", "Datagrams from clients.", counters.client_datagrams_received
        )
        yield counter("fabric_relay_client_received_bytes", "UDP payload from clients.", counters.client_bytes_received)
        yield counter("fabric_relay_client_datagrams_sent", "Datagrams to clients.", counters.client_datagrams_sent)
        yield counter("fabric_relay_client_sent_bytes", "UDP payload to clients.", counters.client_bytes_sent)
        yield counter("fabric_relay_checks_verified", "STUN checks with good integrity.", counters.checks_verified)
        yield counters_by(
            "fabric_relay_drops",
            "Datagrams discarded, by reason.",
            "reason",
            {reason.value: counters.drops[reason] for reason in DropReason},
        )
        yield gauge("fabric_relay_flows", "Client five-tuples held.", self._engine.flow_count())
        clients = self._subscriptions.clients
        yield gauge("fabric_relay_transceivers", "Transceivers discovered.", len(clients))
        yield gauge(
            "fabric_relay_transceivers_synced",
            "Transceivers whose flows are known in full.",
            sum(client.state.synced for client in clients),
        )
        yield counter(
            "fabric_relay_sync_streams_opened",
            "Flow sync streams opened.",
            sum(client.streams_opened for client in clients),
        )
