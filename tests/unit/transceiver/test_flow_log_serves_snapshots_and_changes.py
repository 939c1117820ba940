"""What a relay learns from a transceiver: everything once, then every change, resumable."""

from offhook_proto.route.v1 import route_pb2

from transceiver.media_port.interface import Path
from transceiver.routes.flow_log import FLOWS_PER_MESSAGE, FlowLog, flow_key
from wire.address import Address

PROXY = Address("127.0.0.1", 3478)
INCARNATION = 7


def log(max_changes: int = 65_536) -> FlowLog:
    return FlowLog(
        route_pb2.Transceiver(cluster_id=1, transceiver_id=2, incarnation=INCARNATION), max_changes=max_changes
    )


def path(number: int) -> Path:
    return Path(Address(f"127.0.{number // 250}.{number % 250 + 1}", 5000), PROXY)


def keys(flows: list[route_pb2.Flow]) -> set[bytes]:
    return {flow.key.SerializeToString() for flow in flows}


def test_an_empty_snapshot_is_one_complete_message() -> None:
    (only,) = log().snapshot()
    assert only.complete
    assert only.transceiver.transceiver_id == 2


def test_a_large_snapshot_comes_in_bounded_messages_and_only_the_last_is_complete() -> None:
    target = log()
    for number in range(FLOWS_PER_MESSAGE + 1):
        target.upsert(path(number), (), selected=True)
    parts = list(target.snapshot())
    assert [part.complete for part in parts] == [False, True]
    assert [part.HasField("transceiver") for part in parts] == [True, False]
    assert sum(len(part.flows) for part in parts) == FLOWS_PER_MESSAGE + 1


def test_changes_bring_a_reader_from_its_version_to_the_present() -> None:
    target = log()
    target.upsert(path(1), (11,), selected=True)
    version = target.version
    target.upsert(path(2), (), selected=False)
    target.remove(path(1))
    changes = target.changes_since(version)
    assert changes is not None
    assert [change.WhichOneof("change") for change in changes.changes] == ["upsert", "remove"]
    assert changes.changes[1].remove == flow_key(path(1))
    assert (changes.from_version, changes.to_version) == (version, target.version)


def test_saying_the_same_again_is_no_change() -> None:
    target = log()
    target.upsert(path(1), (5, 4), selected=True)
    version = target.version
    target.upsert(path(1), (4, 5), selected=True)
    target.remove(path(9))
    assert target.version == version


def test_a_reader_too_far_behind_is_told_to_start_over() -> None:
    target = log(max_changes=10)
    version = target.version
    for number in range(11):
        target.upsert(path(number), (), selected=True)
    assert target.changes_since(version) is None
    assert target.changes_since(version + 1) is not None


def test_a_version_from_the_future_is_refused() -> None:
    target = log()
    assert target.changes_since(target.version + 1) is None
    assert not target.can_resume(route_pb2.Resume(transceiver_incarnation=INCARNATION, version=target.version + 1))


def test_another_incarnation_cannot_be_resumed() -> None:
    target = log()
    assert target.can_resume(route_pb2.Resume(transceiver_incarnation=INCARNATION, version=target.version))
    assert not target.can_resume(route_pb2.Resume(transceiver_incarnation=8, version=target.version))


def test_draining_is_announced_once() -> None:
    target = log()
    version = target.version
    target.set_draining()
    target.set_draining()
    changes = target.changes_since(version)
    assert changes is not None
    assert [change.transceiver.draining for change in changes.changes] == [True]
    assert next(target.snapshot()).transceiver.draining


def test_long_lists_of_changes_come_in_batches() -> None:
    target = log()
    version = target.version
    for number in range(FLOWS_PER_MESSAGE + 5):
        target.upsert(path(number), (), selected=True)
    seen: list[route_pb2.Flow] = []
    while (changes := target.changes_since(version)) and changes.changes:
        seen += [change.upsert for change in changes.changes]
        version = changes.to_version
    assert len(keys(seen)) == FLOWS_PER_MESSAGE + 5
