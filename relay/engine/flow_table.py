"""Which transceiver a client's five-tuple belongs to. Sans-IO.

A flow is *synced* while its transceiver vouches for it: it then lives until the transceiver takes it back. Otherwise
(made by a check that no transceiver has confirmed yet, or left behind by one whose stream broke) it lives as long as
authentic packets come: verified checks, and datagrams of the transceiver itself. Packets of the client do not count,
as anybody can send those.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from relay.engine.interface import FlowKey
from relay.engine.source import SourcePrefix
from wire.drop import DropReason


@dataclass(slots=True)
class _Flow:
    transceiver_id: int
    seen_at: float
    synced: bool


class FlowTable:
    """Bounded; a full table refuses new flows, so that a flood cannot push out calls.

    Args:
        max_flows: the bound.
        idle_s: life of an unsynced flow without authentic packets.
        max_flows_per_source: the bound for checks that would make one more; None for none.
        source: what is one source.
    """

    def __init__(
        self,
        *,
        max_flows: int,
        idle_s: float,
        max_flows_per_source: int | None = None,
        source: SourcePrefix | None = None,
    ) -> None:
        self._max_flows = max_flows
        self._idle_s = idle_s
        self._max_flows_per_source = max_flows if max_flows_per_source is None else max_flows_per_source
        self._source = source or SourcePrefix(32, 128)
        self._flows: dict[FlowKey, _Flow] = {}
        self._of_source: Counter[bytes] = Counter()

    def __len__(self) -> int:
        return len(self._flows)

    def owner(self, key: FlowKey) -> int | None:
        """The transceiver a five-tuple belongs to."""
        flow = self._flows.get(key)
        return None if flow is None else flow.transceiver_id

    def refuse(self, key: FlowKey) -> DropReason | None:
        """Why a check may not make a flow of `key`, which has none; None if it may."""
        if len(self._flows) >= self._max_flows:
            return DropReason.FLOW_TABLE_FULL
        if self._of_source[self._source.of(key.client)] >= self._max_flows_per_source:
            return DropReason.SOURCE_FLOW_LIMIT
        return None

    def prove(self, key: FlowKey, transceiver_id: int, now: float) -> None:
        """An authentic check for `transceiver_id` came from `key`: whatever was known of it before is void.

        Where there was nothing, `refuse` comes first.
        """
        flow = self._flows.get(key)
        if flow is not None and flow.transceiver_id == transceiver_id:
            flow.seen_at = now
        else:
            self._put(key, _Flow(transceiver_id, now, synced=False))

    def touch(self, key: FlowKey, transceiver_id: int, now: float) -> bool:
        """The transceiver sends to `key`. False if that is not its flow."""
        flow = self._flows.get(key)
        if flow is None or flow.transceiver_id != transceiver_id:
            return False
        flow.seen_at = now
        return True

    def upsert_synced(self, transceiver_id: int, keys: Collection[FlowKey], now: float) -> int:
        """The transceiver vouches for `keys`. Returns how many found no room.

        Of two transceivers the later claim counts, but what a check has proved here counts more than a claim: the
        other transceiver may not know yet that its client is gone.
        """
        refused = 0
        for key in keys:
            flow = self._flows.get(key)
            if flow is None and len(self._flows) >= self._max_flows:
                refused += 1
            elif flow is None or flow.synced or flow.transceiver_id == transceiver_id:
                self._put(key, _Flow(transceiver_id, now, synced=True))
        return refused

    def remove(self, transceiver_id: int, keys: Collection[FlowKey]) -> None:
        """The transceiver takes `keys` back, as far as they are still its own."""
        for key in keys:
            if self.owner(key) == transceiver_id:
                self._delete(key)

    def replace_synced(self, transceiver_id: int, keys: Collection[FlowKey], now: float) -> int:
        """The transceiver vouches for exactly `keys`. Returns how many found no room.

        Flows that only a check has made stay: their confirmation may be on its way.
        """
        kept = dict.fromkeys(keys)  # without repetitions, in order
        for key in [key for key, flow in self._flows.items() if flow.transceiver_id == transceiver_id]:
            if self._flows[key].synced and key not in kept:
                self._delete(key)
        return self.upsert_synced(transceiver_id, kept, now)

    def release(self, transceiver_id: int, now: float) -> None:
        """Nobody vouches for the transceiver's flows any more: each has `idle_s` from now to show life."""
        for flow in self._flows.values():
            if flow.transceiver_id == transceiver_id:
                flow.synced = False
                flow.seen_at = now

    def remove_all(self, transceiver_id: int) -> None:
        """The transceiver is gone, and its flows with it."""
        for key in [key for key, flow in self._flows.items() if flow.transceiver_id == transceiver_id]:
            self._delete(key)

    def expire(self, now: float) -> int:
        """Drops unsynced flows without life. Returns how many."""
        dead = [key for key, flow in self._flows.items() if not flow.synced and now - flow.seen_at >= self._idle_s]
        for key in dead:
            self._delete(key)
        return len(dead)

    def _put(self, key: FlowKey, flow: _Flow) -> None:
        if key not in self._flows:
            self._of_source[self._source.of(key.client)] += 1
        self._flows[key] = flow

    def _delete(self, key: FlowKey) -> None:
        del self._flows[key]
        source = self._source.of(key.client)
        self._of_source[source] -= 1
        if not self._of_source[source]:
            del self._of_source[source]
