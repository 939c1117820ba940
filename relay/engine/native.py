"""The `native` engine: threads of `offhook_datapath`, one per core, behind the interface of the readable engine.

Everything per packet happens in Rust (`datapath/src/relay`). A call here puts a command into each thread's queue, which
the thread empties between batches; only `flow_count` and `counters` wait for an answer, about a millisecond.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from offhook_datapath import RelayEngine, RelayThreadReport

from relay.engine.interface import Budgets, EngineCounters, EngineSettings, FlowKey
from wire.address import Address, format_address, parse_address
from wire.drop import DropReason
from wire.spp import encode_header
from wire.ufrag import KeyRing

_FULL: Final = (1.0, 1.0, 1.0)
_SUMMED = tuple(name for name in EngineCounters.__slots__ if name != "drops")


class NativeEngine:
    """Implements Engine. Make it with `open_native_engine`."""

    def __init__(self, engine: RelayEngine) -> None:
        self._engine = engine
        self._upstream = tuple(parse_address(address) for address in engine.upstream_addresses())
        self._listening: tuple[Address, ...] = ()
        self._last_reports: Sequence[RelayThreadReport] | None = None

    @property
    def upstream_addresses(self) -> Sequence[Address]:
        """One per thread."""
        return self._upstream

    @property
    def listening(self) -> Sequence[Address]:
        """The public sockets as bound; every thread has one of each."""
        return self._listening

    async def listen(self) -> None:
        """Binds the public sockets; see Engine."""
        self._listening = tuple(parse_address(address) for address in self._engine.listen())

    def set_keys(self, keys: KeyRing) -> None:
        """See Engine."""
        self._engine.set_keys([(key.config_id, key.block_key, key.password_key) for key in keys.derived_keys()])

    def set_transceiver(self, transceiver_id: int, media_address: Address) -> None:
        """See Engine."""
        self._engine.set_transceiver(transceiver_id, format_address(media_address))

    def remove_transceiver(self, transceiver_id: int) -> None:
        """See Engine."""
        self._engine.remove_transceiver(transceiver_id)

    def upsert_flows(self, transceiver_id: int, flows: Collection[FlowKey]) -> None:
        """See Engine."""
        self._engine.upsert_flows(transceiver_id, _packed(flows))

    def remove_flows(self, transceiver_id: int, flows: Collection[FlowKey]) -> None:
        """See Engine."""
        self._engine.remove_flows(transceiver_id, _packed(flows))

    def replace_flows(self, transceiver_id: int, flows: Collection[FlowKey]) -> None:
        """See Engine."""
        self._engine.replace_flows(transceiver_id, _packed(dict.fromkeys(flows)))

    def release_flows(self, transceiver_id: int) -> None:
        """See Engine."""
        self._engine.release_flows(transceiver_id)

    def flow_count(self) -> int:
        """Every thread holds every flow; while one is told of another's, the largest count is the right one."""
        return max((report.flows for report in self.thread_reports()), default=0)

    def counters(self) -> EngineCounters:
        """The sum over the threads."""
        reports = self.thread_reports()
        totals = {name: sum(getattr(report, name) for report in reports) for name in _SUMMED}
        return EngineCounters(**totals, drops=_drops(reports))

    def budgets(self) -> Budgets:
        """Of the thread that has least left of each."""
        return Budgets(*map(min, *(report.budgets for report in self.thread_reports()), _FULL))

    def thread_reports(self) -> Sequence[RelayThreadReport]:
        """What each thread has counted, batch sizes and trains included; after `close` the last of it."""
        return self._engine.reports() if self._last_reports is None else self._last_reports

    def failure(self) -> str | None:
        """Threads that have died. Their clients go to the others, which know their flows; the capacity is gone."""
        dead = self._engine.dead_threads()
        return f"{dead} of {len(self._upstream)} relay threads have died" if dead else None

    def hand_over(self) -> None:
        """See Engine."""
        self._engine.hand_over()

    async def close(self) -> None:
        """Ends the threads, which takes about a millisecond."""
        self._last_reports = self.thread_reports()
        self._engine.close()


def _packed(flows: Iterable[FlowKey]) -> bytes:
    """Flows as the native module takes them: their SPP headers, one after the other."""
    return b"".join(encode_header(flow.client, flow.proxy) for flow in flows)


def _drops(reports: Sequence[RelayThreadReport]) -> Counter[DropReason]:
    drops: Counter[DropReason] = Counter()
    for report in reports:
        drops.update({DropReason(slug): count for slug, count in report.drops if count})
    return drops


def open_native_engine(settings: EngineSettings) -> NativeEngine:
    """Binds the upstream sockets and starts the threads.

    Raises:
        OSError: an upstream socket cannot be bound.
        ValueError: more listeners than an engine has (62).
    """
    engine = RelayEngine(
        cluster_id=settings.cluster_id,
        listeners=[(format_address(each.bind), format_address(each.public)) for each in settings.listeners],
        upstream=format_address(settings.upstream),
        max_flows=settings.max_flows,
        unsynced_flow_idle_s=settings.unsynced_flow_idle_s,
        threads=settings.threads,
        gather_us=settings.gather_us,
        gather_above=settings.gather_above,
        **settings.limits.model_dump(),
    )
    return NativeEngine(engine)
