"""One transceiver's flow sync as the relay sees it: a state machine over the stream's messages. Sans-IO.

(nothing) ──Snapshot…──▶ loading ──Snapshot complete──▶ synced ──Changes, Heartbeat──▶ synced
    ▲                                                     │ stream broken: what was learnt stays,
    └───── another incarnation, a gap, or release() ──────┘ and the next stream resumes from `version`
"""

import ipaddress
from collections.abc import Iterable

from offhook_proto.route.v1 import route_pb2

from relay.engine.interface import Engine, FlowKey
from wire.address import Address


class SyncError(Exception):
    """The transceiver broke the protocol or there is a gap: open a new stream without resuming."""


class RouteState:
    """Applies what a transceiver says to the engine. Inputs: messages, and the stream's beginning and end.

    Args:
        engine: told of transceiver and flows.
        cluster_id: a transceiver of another cluster is refused.
    """

    def __init__(self, engine: Engine, cluster_id: int) -> None:
        self._engine = engine
        self._cluster_id = cluster_id
        self._transceiver: route_pb2.Transceiver | None = None
        self._version: int | None = None
        self._loading: list[FlowKey] = []
        self.connected = False

    @property
    def transceiver_id(self) -> int | None:
        """Of the transceiver behind this stream, once known."""
        return None if self._transceiver is None else self._transceiver.transceiver_id

    @property
    def synced(self) -> bool:
        """Whether a whole snapshot has been applied on the stream that is open now."""
        return self.connected and self._version is not None

    def resume(self) -> route_pb2.Resume | None:
        """What the next stream can resume from."""
        if self._transceiver is None or self._version is None:
            return None
        return route_pb2.Resume(transceiver_incarnation=self._transceiver.incarnation, version=self._version)

    def lost(self) -> None:
        """The stream ended. A lost stream is not a lost flow: everything stays, and the next stream resumes."""
        self.connected = False
        self._loading = []

    def release(self) -> None:
        """The stream has been gone for long: nobody vouches for its flows any more, so they must show life."""
        self._version = None
        if self._transceiver is not None:
            self._engine.release_flows(self._transceiver.transceiver_id)

    def forget(self) -> None:
        """The transceiver is gone for good."""
        if self._transceiver is not None:
            self._engine.remove_transceiver(self._transceiver.transceiver_id)
        self._transceiver = self._version = None

    def start_over(self) -> None:
        """The next stream must begin with a snapshot."""
        self._version = None

    def apply(self, response: route_pb2.SyncResponse) -> int | None:
        """Applies one message. Returns the version to acknowledge, if there is something to acknowledge.

        Raises:
            SyncError: see there.
        """
        self.connected = True
        match response.WhichOneof("message"):
            case "snapshot":
                return self._snapshot(response.snapshot)
            case "changes":
                return self._changes(response.changes)
            case "heartbeat":
                self._heartbeat(response.heartbeat)
                return None
            case _:
                raise SyncError("a message without content")

    def _snapshot(self, snapshot: route_pb2.Snapshot) -> int | None:
        if snapshot.HasField("transceiver"):
            self._loading = []
            self._learn(snapshot.transceiver)
        if self._transceiver is None:
            raise SyncError("a snapshot that does not say whose it is")
        self._loading += _keys(flow.key for flow in snapshot.flows)
        if not snapshot.complete:
            return None
        self._engine.replace_flows(self._transceiver.transceiver_id, self._loading)
        self._loading = []
        self._version = snapshot.version
        return self._version

    def _changes(self, changes: route_pb2.Changes) -> int:
        if self._transceiver is None or self._version != changes.from_version:
            raise SyncError("changes that do not follow what was applied")
        # Runs of the same kind go to the engine together; their order among each other is kept.
        for kind, run in _runs(changes.changes):
            transceiver_id = self._transceiver.transceiver_id
            if kind == "upsert":
                self._engine.upsert_flows(transceiver_id, _keys(change.upsert.key for change in run))
            elif kind == "remove":
                self._engine.remove_flows(transceiver_id, _keys(change.remove for change in run))
            elif kind == "transceiver":
                self._learn(run[-1].transceiver)
        self._version = changes.to_version
        return self._version

    def _heartbeat(self, heartbeat: route_pb2.Heartbeat) -> None:
        # After a resume without changes this is the first message, and says that nothing was missed.
        if self._version != heartbeat.version:
            raise SyncError("a version that was never sent")

    def _learn(self, transceiver: route_pb2.Transceiver) -> None:
        if transceiver.cluster_id != self._cluster_id:
            raise SyncError(f"a transceiver of cluster {transceiver.cluster_id}")
        former = self._transceiver
        if former is not None and former.transceiver_id != transceiver.transceiver_id:
            self._engine.remove_transceiver(former.transceiver_id)
        self._transceiver = transceiver
        self._engine.set_transceiver(transceiver.transceiver_id, _address(transceiver.media_address))


def _runs(changes: Iterable[route_pb2.Change]) -> Iterable[tuple[str | None, list[route_pb2.Change]]]:
    run: list[route_pb2.Change] = []
    kind: str | None = None
    for change in changes:
        this = change.WhichOneof("change")
        if run and this != kind:
            yield kind, run
            run = []
        kind = this
        run.append(change)
    if run:
        yield kind, run


def _keys(keys: Iterable[route_pb2.FlowKey]) -> list[FlowKey]:
    return [FlowKey(_address(key.client), _address(key.proxy)) for key in keys]


def _address(message: route_pb2.Address) -> Address:
    try:
        ip = ipaddress.ip_address(message.ip)
    except ValueError:
        raise SyncError("an address that is neither 4 nor 16 bytes") from None
    return Address(str(ip), message.port)
