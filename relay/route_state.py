"""One transceiver's flow sync as the relay sees it: a state machine over the stream's messages. Sans-IO.

```
(nothing) ──Snapshot…──▶ loading ──Snapshot complete──▶ synced ──Changes, Heartbeat──▶ synced
    ▲                                                     │ stream broken: what was learnt stays,
    └───── another incarnation, a gap, or release() ──────┘ and the next stream resumes from `version`
```

What is lost on one stream counts only if no other stream tells of the same transceiver: a pod with an IPv4 and an IPv6
address is discovered twice, and one that was replaced is for a while discovered at its old address, too.
"""

from collections.abc import Collection, Iterable, Iterator
from itertools import groupby

from offhook_proto.route.v1 import route_pb2

from relay.engine.interface import Engine, FlowKey
from wire.address import Address, unpack_host

MAX_SNAPSHOT_FLOWS = 1_000_000
"""Far above what one transceiver process can hold; a snapshot that goes on beyond is a fault, not a state."""


class SyncError(Exception):
    """The transceiver broke the protocol or there is a gap: open a new stream without resuming."""


class RouteState:
    """Applies what a transceiver says to the engine. Inputs: messages, and the stream's beginning and end.

    Args:
        engine: told of transceiver and flows.
        cluster_id: a transceiver of another cluster is refused.
        siblings: the states of all subscriptions of this relay; this one may be among them.
        max_snapshot_flows: bound on what is gathered before a snapshot is complete.
    """

    def __init__(
        self,
        engine: Engine,
        cluster_id: int,
        siblings: Collection["RouteState"] = (),
        *,
        max_snapshot_flows: int = MAX_SNAPSHOT_FLOWS,
    ) -> None:
        self._engine = engine
        self._cluster_id = cluster_id
        self._siblings = siblings
        self._max_snapshot_flows = max_snapshot_flows
        self._transceiver: route_pb2.Transceiver | None = None
        self._version: int | None = None
        self._loading: list[FlowKey] = []
        self._connected = False

    @property
    def transceiver_id(self) -> int | None:
        """Of the transceiver behind this stream, once known."""
        return None if self._transceiver is None else self._transceiver.transceiver_id

    @property
    def synced(self) -> bool:
        """Whether a whole snapshot has been applied, and the stream that keeps it up to date is open."""
        return self._connected and self._version is not None

    @property
    def draining(self) -> bool:
        """Whether the transceiver takes no new calls. Its flows, and checks for its sessions, are routed as ever."""
        return self._transceiver is not None and self._transceiver.draining

    def resume(self) -> route_pb2.Resume | None:
        """What the next stream can resume from."""
        if self._transceiver is None or self._version is None:
            return None
        return route_pb2.Resume(transceiver_incarnation=self._transceiver.incarnation, version=self._version)

    def lost(self) -> None:
        """The stream ended. A lost stream is not a lost flow: everything stays, and the next stream resumes."""
        self._connected = False
        self._loading = []

    def release(self) -> None:
        """The stream has been gone for long: nobody vouches for its flows any more, so they must show life."""
        self._version = None
        if self._transceiver is not None and not self._is_told_by_another(self._transceiver.transceiver_id):
            self._engine.release_flows(self._transceiver.transceiver_id)

    def forget(self) -> None:
        """The transceiver is gone for good."""
        if self._transceiver is not None and not self._is_told_by_another(self._transceiver.transceiver_id):
            self._engine.remove_transceiver(self._transceiver.transceiver_id)
        self._transceiver = self._version = None

    def start_over(self) -> None:
        """The next stream must begin with a snapshot."""
        self._version = None

    def _is_told_by_another(self, transceiver_id: int) -> bool:
        return any(
            other is not self and other.transceiver_id == transceiver_id and other.resume() is not None
            for other in self._siblings
        )

    def apply(self, response: route_pb2.SyncResponse) -> int | None:
        """Applies one message. Returns the version to acknowledge, if there is something to acknowledge.

        Raises:
            SyncError: see there.
        """
        self._connected = True
        match response.WhichOneof("message"):
            case "snapshot":
                return self._snapshot(response.snapshot)
            case "changes":
                return self._changes(response.changes)
            case "heartbeat":
                self._heartbeat(response.heartbeat)
            case _:
                pass  # said by a newer transceiver; what must be understood would come in a new package
        return None

    def _snapshot(self, snapshot: route_pb2.Snapshot) -> int | None:
        if snapshot.HasField("transceiver"):
            self._loading = []
            # Nothing to resume from until this one is complete: its versions may be those of another incarnation.
            self._version = None
            self._learn(snapshot.transceiver)
        if self._transceiver is None:
            raise SyncError("a snapshot that does not say whose it is")
        self._loading += _keys(flow.key for flow in snapshot.flows)
        if len(self._loading) > self._max_snapshot_flows:
            raise SyncError("a snapshot without an end")
        if not snapshot.complete:
            return None
        self._engine.replace_flows(self._transceiver.transceiver_id, self._loading)
        self._loading = []
        self._version = snapshot.version
        return self._version

    def _changes(self, changes: route_pb2.Changes) -> int:
        if self._transceiver is None or self._version != changes.from_version:
            raise SyncError("changes that do not follow what was applied")
        # Runs of one kind go to the engine together; the order of the runs is kept.
        for kind, run in groupby(changes.changes, lambda change: change.WhichOneof("change")):
            transceiver_id = self._transceiver.transceiver_id
            match kind:
                case "upsert":
                    self._engine.upsert_flows(transceiver_id, _keys(change.upsert.key for change in run))
                case "remove":
                    self._engine.remove_flows(transceiver_id, _keys(change.remove for change in run))
                case "transceiver":
                    self._learn(list(run)[-1].transceiver)
        self._version = changes.to_version
        return self._version

    def _heartbeat(self, heartbeat: route_pb2.Heartbeat) -> None:
        # After a resume without changes this is the first message, and says that nothing was missed.
        if self._version != heartbeat.version:
            raise SyncError("a heartbeat of a version that was never sent")

    def _learn(self, transceiver: route_pb2.Transceiver) -> None:
        if transceiver.cluster_id != self._cluster_id:
            raise SyncError(f"a transceiver of cluster {transceiver.cluster_id}")
        media_address = _address(transceiver.media_address)
        if self.transceiver_id != transceiver.transceiver_id:
            self.forget()
        self._transceiver = transceiver
        self._engine.set_transceiver(transceiver.transceiver_id, media_address)


def _keys(keys: Iterable[route_pb2.FlowKey]) -> list[FlowKey]:
    return list(_udp_keys(keys))


def _udp_keys(keys: Iterable[route_pb2.FlowKey]) -> Iterator[FlowKey]:
    for key in keys:
        # ICE-TCP clients are served by relays that listen on TCP; this one does not.
        if key.transport == route_pb2.TRANSPORT_UDP:
            yield FlowKey(_address(key.client), _address(key.proxy))


def _address(message: route_pb2.Address) -> Address:
    try:
        host = unpack_host(message.ip)
    except ValueError:
        raise SyncError("an address that is neither 4 nor 16 bytes") from None
    if not 0 < message.port <= 0xFFFF:
        raise SyncError("an address without a valid port")
    return Address(host, message.port)
