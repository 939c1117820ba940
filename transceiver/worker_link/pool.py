"""All workers of this transceiver: which models they serve, and which of them gets a new call."""

import asyncio
import random
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import structlog
from offhook_proto.worker.v1 import worker_pb2

from offhook.service.discovery import watch_targets
from offhook.service.discovery_health import DiscoveryHealth
from transceiver.worker_link.counters import LinkCounters
from transceiver.worker_link.errors import NoCapacity, NoSuchModel, WorkerRejected
from transceiver.worker_link.link import WorkerLink
from transceiver.worker_link.listener import WorkerSessionListener
from transceiver.worker_link.placement import choose, load_score, newness, sessions_in_use
from transceiver.worker_link.session import WorkerSession
from transceiver.worker_link.settings import WorkerLinkSettings
from transceiver.worker_link.stream import WorkerStream

MAX_WORKERS_ASKED = 3
"""A caller waits for the answers: when so many workers declined in a row, the fleet is full."""

MAX_MODELS_REMEMBERED = 1024
"""Names of models are remembered when their last worker goes, to tell "not now" from "never"."""

_FINAL_REASONS = frozenset(
    {
        worker_pb2.SessionReject.REASON_INVALID_CONFIG,
        worker_pb2.SessionReject.REASON_UNSUPPORTED_FORMAT,
    }
)

_log = structlog.get_logger(__name__)


class ModelInfo(NamedTuple):
    """A model that connected workers serve, formats in the workers' order of preference."""

    name: str
    input_formats: tuple[worker_pb2.AudioFormat, ...]
    output_formats: tuple[worker_pb2.AudioFormat, ...]
    capabilities: frozenset[worker_pb2.Capability.ValueType]
    workers: int
    """Connected workers that serve it, are well and are not draining."""
    free_sessions: int
    """Sessions they have room for, by their last reports."""


class _Offer(NamedTuple):
    """One worker serving one model, ready for new sessions."""

    link: WorkerLink
    stream: WorkerStream
    model: worker_pb2.Model


class WorkerPool:
    """Keeps one stream to every worker and opens sessions on them.

    Args:
        targets: as `offhook.service.discovery.watch_targets` takes them.
        transceiver_name: stable name of this process, told to the workers.
        rng: for placement and back-off jitter; tests pass a seeded one.
        discovery: told how discovery of them fares.
    """

    def __init__(
        self,
        targets: Sequence[str],
        transceiver_name: str,
        settings: WorkerLinkSettings | None = None,
        *,
        rng: random.Random | None = None,
        discovery: DiscoveryHealth | None = None,
    ) -> None:
        self.counters = LinkCounters()
        self._targets = targets
        self._transceiver_name = transceiver_name
        self._settings = settings or WorkerLinkSettings()
        self._rng = rng or random.Random()  # noqa: S311 - placement and jitter are no secrets
        self._links: dict[str, WorkerLink] = {}
        self._running: dict[asyncio.Task[None], WorkerLink] = {}
        self._discovery = discovery
        self._known_models: set[str] = set()
        self._changed = asyncio.Event()

    async def follow(self) -> None:
        """Follows discovery, with a link to each worker; runs until cancelled.

        Raises:
            ValueError, ConfigError: as `watch_targets` says.
        """
        interval_s = self._settings.discovery_interval_s
        async for targets in watch_targets(self._targets, interval_s, health=self._discovery):
            for target in self._links.keys() - targets:
                self._links.pop(target).retire()
            for target in targets - self._links.keys():
                self._begin_link(target)
            self._link_changed()

    async def stop(self) -> None:
        """Ends every stream, once nothing follows discovery any more; open sessions hear `worker_lost("stopped")`."""
        await asyncio.gather(*(link.stop() for link in list(self._running.values())))

    def models(self) -> dict[str, ModelInfo]:
        """The models that can be asked for now, by name."""
        found: dict[str, ModelInfo] = {}
        for offer in self._offers():
            known = found.get(offer.model.name) or _model_info(offer.model)
            found[known.name] = known._replace(
                workers=known.workers + 1,
                free_sessions=known.free_sessions + _free_sessions(offer.stream),
            )
        return found

    @property
    def ready_workers(self) -> int:
        """Workers that are connected, say that they serve, and are not draining."""
        return len(self.streams())

    def streams(self) -> list[WorkerStream]:
        """One of each worker that is connected and not draining, to be looked at."""
        return [link.stream for link in self._links.values() if link.stream is not None]

    def loads(self) -> list[worker_pb2.LoadReport]:
        """What is known of their load."""
        return [stream.load(_now()) for stream in self.streams()]

    async def wait_ready(self, workers: int = 1) -> None:
        """Returns once that many workers are ready; bound it with a timeout."""
        while self.ready_workers < workers:
            await self._changed.wait()

    async def open(  # noqa: PLR0913 - all by name: what SessionOpen carries, and the two of a call that moves
        self,
        *,
        model: str,
        call_id: str,
        input_format: worker_pb2.AudioFormat,
        config: worker_pb2.SessionConfig,
        listener: WorkerSessionListener,
        output_format: worker_pb2.AudioFormat | None = None,
        history: Sequence[worker_pb2.HistoryItem] = (),
        avoid: str = "",
        unplayed_ms: int = 0,
        traceparent: str = "",
    ) -> WorkerSession:
        """Puts a call on the less loaded of two workers drawn by chance, and asks others if that one declines.

        The listener may be called before this returns, since a worker may speak as soon as it has accepted.

        Args:
            output_format: None chooses the input's format where the model offers it, else the model's first.
            history: the conversation so far, when a live session moves here: only workers are asked that can take
                over one. The oldest of it goes where it does not fit into a message of the link.
            avoid: name of a worker that is not asked.
            unplayed_ms: output audio that waits already, and that the worker's first credit leaves out.
            traceparent: of the call's trace, for the worker.

        Raises:
            NoSuchModel: workers are connected and none serves `model`.
            NoCapacity: every worker that could is full, draining, silent or gone.
            WorkerRejected: a worker refused this very session, or no worker takes the format.
        """
        asked = {offer.link for offer in self._offers() if offer.stream.hello and offer.stream.hello.worker == avoid}
        history = _newest(history, self._settings.max_message_bytes // 2)
        why = "every worker is busy"
        for _ in range(MAX_WORKERS_ASKED):
            offer = self._choose(model, input_format, output_format, asked, takes_over=bool(history))
            if offer is None:
                break
            asked.add(offer.link)
            opening = worker_pb2.SessionOpen(
                call_id=call_id,
                model=model,
                input_format=input_format,
                output_format=output_format or _preferred_output(offer.model, input_format),
                config=config,
                history=history,
                output_credit_ms=max(0, self._settings.output_credit_ms - unplayed_ms),
                accept_within_ms=int(self._settings.accept_timeout_s * 1000),
                traceparent=traceparent,
            )
            answer = await offer.link.open(opening, listener)
            if isinstance(answer, WorkerSession):
                self.counters.sessions_opened += 1
                self.counters.sessions_moved += bool(avoid)
                return answer
            self.counters.sessions_rejected += 1
            if answer.reason in _FINAL_REASONS:
                raise WorkerRejected(answer.message, answer.reason)
            why = answer.message or why
        raise NoCapacity(f"no worker can take a call for model {model!r} now: {why}")

    def _choose(
        self,
        model: str,
        input_format: worker_pb2.AudioFormat,
        output_format: worker_pb2.AudioFormat | None,
        asked: Collection[WorkerLink],
        *,
        takes_over: bool,
    ) -> _Offer | None:
        """A worker to ask next, or None when there is none; raises where waiting would not help either."""
        serving = [offer for offer in self._offers() if offer.model.name == model]
        if not serving:
            if self.ready_workers and model not in self._known_models:
                raise NoSuchModel(f"no worker serves model {model!r}")
            return None
        fitting = [offer for offer in serving if _fits(offer.model, input_format, output_format)]
        if not fitting:
            raise WorkerRejected(
                f"no worker takes this audio format for model {model!r}",
                worker_pb2.SessionReject.REASON_UNSUPPORTED_FORMAT,
            )
        candidates = [
            (offer, self._score(offer.stream))
            for offer in fitting
            if offer.link not in asked
            and _free_sessions(offer.stream) > 0
            and (not takes_over or worker_pb2.CAPABILITY_HISTORY in offer.model.capabilities)
        ]
        return choose(candidates, self._rng) if candidates else None

    def _score(self, stream: WorkerStream) -> float:
        now = _now()
        return load_score(stream.load(now), stream.sessions) + newness(stream.age_s(now), self._settings.slow_start_s)

    def _offers(self) -> Iterator[_Offer]:
        for link in self._links.values():
            stream = link.stream
            if stream is not None and stream.hello is not None:
                for model in stream.hello.models:
                    if model.name and model.input_formats and model.output_formats:
                        yield _Offer(link, stream, model)

    def _begin_link(self, target: str) -> None:
        link = WorkerLink(
            target,
            self._transceiver_name,
            self._settings,
            self.counters,
            on_change=self._link_changed,
            rng=self._rng,
        )
        self._links[target] = link
        task = link.start()
        self._running[task] = link
        task.add_done_callback(self._running.pop)

    def _link_changed(self) -> None:
        for offer in self._offers():
            if len(self._known_models) < MAX_MODELS_REMEMBERED:
                self._known_models.add(offer.model.name)
        self._changed.set()
        self._changed = asyncio.Event()


def _model_info(model: worker_pb2.Model) -> ModelInfo:
    return ModelInfo(
        name=model.name,
        input_formats=tuple(model.input_formats),
        output_formats=tuple(model.output_formats),
        capabilities=frozenset(model.capabilities),
        workers=0,
        free_sessions=0,
    )


def _fits(
    model: worker_pb2.Model,
    input_format: worker_pb2.AudioFormat,
    output_format: worker_pb2.AudioFormat | None,
) -> bool:
    return input_format in model.input_formats and (output_format is None or output_format in model.output_formats)


def _newest(history: Sequence[worker_pb2.HistoryItem], max_bytes: int) -> list[worker_pb2.HistoryItem]:
    """The end of a conversation, as much of it as fits."""
    kept: list[worker_pb2.HistoryItem] = []
    for item in reversed(history):
        max_bytes -= item.ByteSize()
        if max_bytes < 0:
            break
        kept.append(item)
    return kept[::-1]


def _preferred_output(model: worker_pb2.Model, input_format: worker_pb2.AudioFormat) -> worker_pb2.AudioFormat:
    return input_format if input_format in model.output_formats else model.output_formats[0]


def _free_sessions(stream: WorkerStream) -> int:
    load = stream.load(_now())
    return max(0, load.max_sessions - sessions_in_use(load, stream.sessions))


def _now() -> float:
    return asyncio.get_running_loop().time()
