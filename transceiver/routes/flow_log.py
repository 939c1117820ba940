"""The versioned record of this transceiver's flows, from which every relay's stream is served. Sans-IO.

Each change gets the next version. A bounded log of recent changes lets a relay whose stream broke resume where it
was; one that is too far behind gets the whole state again. Readers hold nothing but a version number, so a slow relay
costs no memory here: there is no queue per relay.
"""

from collections import deque
from collections.abc import Collection, Iterator
from socket import AF_INET, AF_INET6, inet_pton

from offhook_proto.route.v1 import route_pb2

from transceiver.media_port.interface import Path
from wire.address import Address

FLOWS_PER_MESSAGE = 1024
"""Keeps one gRPC message far below the 4 MiB that gRPC accepts by default (a flow takes about 60 bytes)."""


def address_message(address: Address) -> route_pb2.Address:
    """`address` as route/v1 carries it: 4 or 16 bytes and a port."""
    family = AF_INET6 if ":" in address.host else AF_INET
    return route_pb2.Address(ip=inet_pton(family, address.host), port=address.port)


def flow_key(path: Path) -> route_pb2.FlowKey:
    """The wire identity of a client's five-tuple."""
    return route_pb2.FlowKey(
        transport=route_pb2.TRANSPORT_UDP,
        client=address_message(path.client),
        proxy=address_message(path.proxy),
    )


class FlowLog:
    """All flows of one transceiver, and how they came to be.

    Args:
        transceiver: what this process says of itself; `draining` may change later, through `set_draining`.
        max_changes: how many past changes are kept for streams that resume.
    """

    def __init__(self, transceiver: route_pb2.Transceiver, *, max_changes: int = 4096) -> None:
        self._transceiver = transceiver
        self._flows: dict[Path, route_pb2.Flow] = {}
        # Serialised: 90 bytes each and not 930.
        self._changes: deque[bytes] = deque(maxlen=max_changes)
        self.version = 1

    @property
    def transceiver(self) -> route_pb2.Transceiver:
        """A copy of what is announced about this process."""
        copy = route_pb2.Transceiver()
        copy.CopyFrom(self._transceiver)
        return copy

    def __len__(self) -> int:
        return len(self._flows)

    def upsert(self, path: Path, ssrcs: Collection[int], *, selected: bool) -> None:
        """Records that `path` belongs to a session here. Saying the same again changes nothing."""
        known = self._flows.get(path)
        wanted = sorted(ssrcs)
        if known is not None and known.selected == selected and known.ssrcs == wanted:
            return
        key = flow_key(path) if known is None else known.key
        flow = route_pb2.Flow(key=key, ssrcs=wanted, selected=selected)
        self._flows[path] = flow
        self._append(route_pb2.Change(upsert=flow))

    def remove(self, path: Path) -> None:
        """Records that `path` is gone; an unknown path is no change."""
        flow = self._flows.pop(path, None)
        if flow is not None:
            self._append(route_pb2.Change(remove=flow.key))

    def set_draining(self) -> None:
        """Announces that no new call is taken here."""
        if not self._transceiver.draining:
            self._transceiver.draining = True
            self._append(route_pb2.Change(transceiver=self.transceiver))

    def _append(self, change: route_pb2.Change) -> None:
        self._changes.append(change.SerializeToString())
        self.version += 1

    def can_resume(self, resume: route_pb2.Resume) -> bool:
        """Whether a relay that holds `resume` can go on from there."""
        oldest = self.version - len(self._changes)
        return resume.transceiver_incarnation == self._transceiver.incarnation and (
            oldest <= resume.version <= self.version
        )

    def snapshot(self) -> Iterator[route_pb2.Snapshot]:
        """The whole state in messages of bounded size, the last of them `complete`.

        The iterator holds a copy of the list of flows: changes meanwhile do not disturb it, and follow as changes.
        """
        version, flows = self.version, list(self._flows.values())
        transceiver = self.transceiver
        starts = range(0, len(flows), FLOWS_PER_MESSAGE) or range(1)
        for start in starts:
            yield route_pb2.Snapshot(
                version=version,
                transceiver=transceiver if start == 0 else None,
                flows=flows[start : start + FLOWS_PER_MESSAGE],
                complete=start + FLOWS_PER_MESSAGE >= len(flows),
            )

    def changes_since(self, version: int) -> route_pb2.Changes | None:
        """The next batch after `version` (at most FLOWS_PER_MESSAGE changes); None if the log no longer reaches back.

        An up-to-date reader gets an empty batch.
        """
        behind = self.version - version
        if not 0 <= behind <= len(self._changes):
            return None
        first = len(self._changes) - behind
        end = min(first + FLOWS_PER_MESSAGE, len(self._changes))
        batch = [route_pb2.Change.FromString(self._changes[index]) for index in range(first, end)]
        return route_pb2.Changes(from_version=version, to_version=version + len(batch), changes=batch)
