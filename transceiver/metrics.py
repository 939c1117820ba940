"""What Prometheus sees of a transceiver. Values are read from the counters at scrape time; nothing is kept here."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from offhook.service.metric_families import counter, counters_by, gauge, gauges_by, histogram, histograms_by
from transceiver.calls.answer_latency import BUCKETS_S as ANSWER_BOUNDS_S
from transceiver.calls.call_service import CallService
from transceiver.calls.errors import REFUSALS
from transceiver.hub import SessionHub
from transceiver.loop_watch import BOUNDS_S, LoopWatch
from transceiver.media_port.interface import MediaPort
from transceiver.quality.totals import GAP_BOUNDS, MOS_BOUNDS, SETUP_BOUNDS_S
from transceiver.routes.flow_log import FlowLog
from transceiver.routes.relay_registry import RelayRegistry
from transceiver.session.actions import CloseReason
from transceiver.signalling.listeners import HttpListeners
from transceiver.worker_link.counters import LinkDrop, LostReason
from transceiver.worker_link.pool import WorkerPool
from wire.drop import DropReason


class TransceiverCollector(Collector):
    """Reads every part of one transceiver process. Label values come from fixed lists, so series are bounded."""

    def __init__(
        self,
        *,
        port: MediaPort,
        hub: SessionHub,
        calls: CallService,
        flows: FlowLog,
        relays: RelayRegistry,
        workers: WorkerPool,
        loop: LoopWatch,
        http: HttpListeners,
    ) -> None:
        self._port = port
        self._hub = hub
        self._calls = calls
        self._flows = flows
        self._relays = relays
        self._workers = workers
        self._loop = loop
        self._http = http

    def collect(self) -> Iterator[Metric]:
        """All families."""
        yield from self._sessions()
        yield from self._answers()
        yield from self._quality()
        yield from self._media()
        yield from self._routes()
        yield from self._worker_links()
        yield from self._event_loop()
        yield counters_by(
            "fabric_transceiver_http_connections_refused",
            "Connections to the API closed before a request: too many, or headers that did not come in time.",
            "reason",
            {"too_many": self._http.refused, "slow_headers": self._http.timed_out},
        )

    def _answers(self) -> Iterator[Metric]:
        stages = self._calls.latency.stages
        yield histograms_by(
            "fabric_transceiver_answer_latency_seconds",
            "From the end of the caller's voice to the first packet of the answer (total), and its stages.",
            "stage",
            ANSWER_BOUNDS_S,
            {stage.value: (times.counts, times.sum_s) for stage, times in stages.items()},
        )

    def _quality(self) -> Iterator[Metric]:
        totals = self._calls.quality
        yield histograms_by(
            "fabric_transceiver_call_setup_seconds",
            "From the offer on: until it was answered, the client reached, connected, and its first audio came.",
            "stage",
            SETUP_BOUNDS_S,
            {stage: (of.counts, of.sum) for stage, of in totals.setup_s.items()},
        )
        yield histograms_by(
            "fabric_transceiver_call_gap_ratio",
            "Calls that have ended, by the share of their audio that did not come, or came too late from its model.",
            "direction",
            GAP_BOUNDS,
            {direction: (of.counts, of.sum) for direction, of in totals.gap_ratio.items()},
        )
        yield histograms_by(
            "fabric_transceiver_call_mos",
            "Calls that have ended, by an estimate of how they sounded (E-model, 1 to 4.41).",
            "direction",
            MOS_BOUNDS,
            {direction: (of.counts, of.sum) for direction, of in totals.mos.items()},
        )

    def _sessions(self) -> Iterator[Metric]:
        counters = self._hub.counters
        yield gauge("fabric_transceiver_sessions", "Sessions held now.", len(self._hub))
        yield gauge(
            "fabric_transceiver_sessions_connecting", "Of these, the ones not yet connected.", self._hub.connecting
        )
        yield gauges_by(
            "fabric_transceiver_sessions_by_key",
            "Sessions by the routing key of their ufrag: not to be retired while there are any.",
            "key",
            self._hub.sessions_by_key(),
        )
        yield counter("fabric_transceiver_sessions_opened", "Sessions whose offer was accepted.", counters.opened)
        yield counter(
            "fabric_transceiver_sessions_connected", "Sessions whose DTLS handshake completed.", counters.connected
        )
        yield counters_by(
            "fabric_transceiver_sessions_closed",
            "Sessions ended, by reason.",
            "reason",
            {reason.value: counters.closed[reason] for reason in CloseReason},
        )
        yield counters_by(
            "fabric_transceiver_calls_refused",
            "Calls refused, by the error code the client got.",
            "code",
            # From the start, for a rate needs a first value to rise from.
            {**dict.fromkeys(REFUSALS, 0), **self._calls.refused},
        )

    def _media(self) -> Iterator[Metric]:
        counters = self._port.counters
        yield counter(
            "fabric_transceiver_datagrams_received", "Datagrams received from relays.", counters.datagrams_received
        )
        yield counter(
            "fabric_transceiver_received_bytes", "UDP payload received, without the envelope.", counters.bytes_received
        )
        yield counter("fabric_transceiver_datagrams_sent", "Datagrams sent to relays.", counters.datagrams_sent)
        yield counter("fabric_transceiver_sent_bytes", "UDP payload sent, without the envelope.", counters.bytes_sent)
        drops: Counter[DropReason] = counters.drops + self._hub.counters.drops
        yield counters_by(
            "fabric_transceiver_drops",
            "Datagrams and packets discarded, by reason.",
            "reason",
            {each.value: drops[each] for each in DropReason},
        )

    def _routes(self) -> Iterator[Metric]:
        yield gauge("fabric_transceiver_flows", "Client five-tuples announced to relays.", len(self._flows))
        yield gauge("fabric_transceiver_relays", "Relays with an open flow sync stream.", self._relays.connected)

    def _worker_links(self) -> Iterator[Metric]:
        counters = self._workers.counters
        yield gauge(
            "fabric_transceiver_workers_ready",
            "Workers connected that serve and are not draining.",
            self._workers.ready_workers,
        )
        yield counter(
            "fabric_transceiver_worker_messages_sent", "gRPC messages sent to workers.", counters.messages_sent
        )
        yield counter(
            "fabric_transceiver_worker_messages_received",
            "gRPC messages received from workers.",
            counters.messages_received,
        )
        yield counter(
            "fabric_transceiver_worker_frames_sent", "Audio frames sent to workers.", counters.audio_frames_sent
        )
        yield counter(
            "fabric_transceiver_worker_frames_received",
            "Audio frames received from workers.",
            counters.audio_frames_received,
        )
        yield counters_by(
            "fabric_transceiver_worker_sessions_lost",
            "Calls that lost their worker, by reason.",
            "reason",
            {reason.value: counters.sessions_lost[reason] for reason in LostReason},
        )
        yield counter(
            "fabric_transceiver_worker_sessions_moved",
            "Calls that went on with another worker after they had lost theirs.",
            counters.sessions_moved,
        )
        yield counters_by(
            "fabric_transceiver_worker_drops",
            "Frames and messages discarded on the way to or from workers, by reason.",
            "reason",
            {reason.value: counters.drops[reason] for reason in LinkDrop},
        )

        yield from self._worker_loads()

    def _worker_loads(self) -> Iterator[Metric]:
        """Of the worst worker each: one series however large the fleet. A worker tells more of itself."""
        streams, loads = self._workers.streams(), self._workers.loads()
        yield gauge(
            "fabric_transceiver_worker_queue_delay_p95_seconds",
            "How long input waits before a worker looks at it (95th percentile of a second), the worst worker's.",
            max((load.queue_delay_ms_p95 for load in loads), default=0.0) / 1000,
        )
        yield gauge(
            "fabric_transceiver_worker_real_time_factor",
            "Compute time per second of audio, the worst worker's report; above 1 it falls behind and callers hear it.",
            max((load.real_time_factor for load in loads), default=0.0),
        )
        yield gauge(
            "fabric_transceiver_worker_utilization",
            "Fraction of a worker's bottleneck in use, the busiest worker's report.",
            max((load.utilization for load in loads), default=0.0),
        )
        yield gauge(
            "fabric_transceiver_worker_ping_seconds",
            "Round trip of the last ping on a worker's stream, the slowest worker's; from 1.5 s it counts as dead.",
            max((stream.ping_round_trip_s for stream in streams), default=0.0),
        )
        yield gauge(
            "fabric_transceiver_worker_input_waiting_seconds",
            "Callers' audio that waits for workers' credit, all sessions together; each is bounded by input_queue_ms.",
            sum(stream.input_waiting_us for stream in streams) / 1e6,
        )
        yield gauge(
            "fabric_transceiver_worker_inputs_queued",
            "Inputs that wait for workers' streams to take them; a stream is given up beyond 65,536.",
            sum(stream.inputs_queued for stream in streams),
        )

    def _event_loop(self) -> Iterator[Metric]:
        yield histogram(
            "fabric_transceiver_loop_lag_seconds",
            "How late the event loop was for what was due.",
            BOUNDS_S,
            self._loop.counts,
            self._loop.lag_sum_s,
        )
        yield gauge("fabric_transceiver_loop_tasks", "Tasks on the event loop.", self._loop.tasks)
