"""The state machine of one flow sync stream, message by message, on a real engine's flow table."""

import ipaddress
from collections.abc import AsyncIterator

import pytest
from offhook_proto.route.v1 import route_pb2 as pb

from relay.engine.interface import Engine, EngineSettings, Listener
from relay.route_state import RouteState, SyncError
from tests.support.relay_scene import CLUSTER, ENGINES
from wire.address import Address

SOMEWHERE = Address("127.0.0.1", 0)


@pytest.fixture
async def engine(engine_name: str) -> AsyncIterator[Engine]:
    listener = Listener(SOMEWHERE, SOMEWHERE)
    opened = ENGINES[engine_name](EngineSettings(cluster_id=CLUSTER, listeners=[listener], upstream=SOMEWHERE))
    yield opened
    await opened.close()


def address(host: str, port: int) -> pb.Address:
    return pb.Address(ip=ipaddress.ip_address(host).packed, port=port)


def key(number: int, transport: pb.Transport.ValueType = pb.TRANSPORT_UDP) -> pb.FlowKey:
    return pb.FlowKey(
        transport=transport, client=address("198.51.100.1", 1000 + number), proxy=address("203.0.113.1", 3478)
    )


def transceiver(transceiver_id: int = 1, incarnation: int = 11, *, draining: bool = False) -> pb.Transceiver:
    return pb.Transceiver(
        cluster_id=CLUSTER,
        transceiver_id=transceiver_id,
        incarnation=incarnation,
        media_address=address("127.0.0.1", 4000),
        draining=draining,
    )


def snapshot(
    version: int, *numbers: int, of: pb.Transceiver | None = None, first: bool = True, complete: bool = True
) -> pb.SyncResponse:
    return pb.SyncResponse(
        snapshot=pb.Snapshot(
            version=version,
            transceiver=(of or transceiver()) if first else None,
            flows=[pb.Flow(key=key(number)) for number in numbers],
            complete=complete,
        )
    )


def upsert(number: int) -> pb.Change:
    return pb.Change(upsert=pb.Flow(key=key(number)))


def remove(number: int) -> pb.Change:
    return pb.Change(remove=key(number))


def changes(from_version: int, *changed: pb.Change) -> pb.SyncResponse:
    return pb.SyncResponse(
        changes=pb.Changes(from_version=from_version, to_version=from_version + len(changed), changes=changed)
    )


def heartbeat(version: int) -> pb.SyncResponse:
    return pb.SyncResponse(heartbeat=pb.Heartbeat(version=version))


def test_a_snapshot_counts_once_it_is_complete(engine: Engine) -> None:
    state = RouteState(engine, CLUSTER)
    assert state.apply(snapshot(5, 1, 2, complete=False)) is None
    assert (engine.flow_count(), state.synced, state.resume()) == (0, False, None)
    assert state.apply(snapshot(5, 3, first=False)) == 5
    assert (engine.flow_count(), state.synced, state.transceiver_id) == (3, True, 1)


def test_changes_are_applied_in_order_and_acknowledged(engine: Engine) -> None:
    state = RouteState(engine, CLUSTER)
    state.apply(snapshot(5, 1))
    assert state.apply(changes(5, upsert(2), upsert(3), remove(2), upsert(2), remove(1))) == 10
    assert engine.flow_count() == 2
    assert state.apply(heartbeat(10)) is None


def test_a_lost_stream_keeps_its_flows_and_resumes(engine: Engine) -> None:
    state = RouteState(engine, CLUSTER)
    state.apply(snapshot(5, 1, 2))
    state.apply(changes(5, upsert(3)))
    state.lost()
    assert (engine.flow_count(), state.synced) == (3, False)
    assert state.resume() == pb.Resume(transceiver_incarnation=11, version=6)
    assert state.apply(heartbeat(6)) is None
    assert state.synced
    assert state.apply(changes(6, remove(1))) == 7
    assert engine.flow_count() == 2


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(changes(4, upsert(9)), id="changes that overlap"),
        pytest.param(changes(6, upsert(9)), id="a gap"),
        pytest.param(heartbeat(6), id="a heartbeat of an unknown version"),
        pytest.param(snapshot(6, of=pb.Transceiver(cluster_id=CLUSTER + 1)), id="another cluster"),
        pytest.param(snapshot(6, of=pb.Transceiver(cluster_id=CLUSTER)), id="no media address"),
        pytest.param(
            changes(5, pb.Change(upsert=pb.Flow(key=pb.FlowKey(transport=pb.TRANSPORT_UDP)))), id="no client address"
        ),
        pytest.param(
            changes(5, pb.Change(remove=pb.FlowKey(transport=pb.TRANSPORT_UDP, client=address("127.0.0.1", 65_536)))),
            id="an impossible port",
        ),
    ],
)
def test_a_breach_of_protocol_is_refused_and_what_was_known_stays(engine: Engine, message: pb.SyncResponse) -> None:
    state = RouteState(engine, CLUSTER)
    state.apply(snapshot(5, 1))
    with pytest.raises(SyncError):
        state.apply(message)
    state.start_over()
    state.lost()
    assert engine.flow_count() == 1
    assert state.resume() is None
    assert state.apply(snapshot(9, 2)) == 9
    assert engine.flow_count() == 1


@pytest.mark.parametrize("message", [changes(0, upsert(1)), heartbeat(3), snapshot(1, first=False)])
def test_a_stream_must_begin_with_a_snapshot(engine: Engine, message: pb.SyncResponse) -> None:
    with pytest.raises(SyncError):
        RouteState(engine, CLUSTER).apply(message)


def test_a_snapshot_without_an_end_is_refused(engine: Engine) -> None:
    state = RouteState(engine, CLUSTER, max_snapshot_flows=100)
    state.apply(snapshot(1, *range(60), complete=False))
    with pytest.raises(SyncError, match="end"):
        state.apply(snapshot(1, *range(60, 120), first=False, complete=False))


def test_a_restarted_transceiver_voids_what_was_learnt(engine: Engine) -> None:
    state = RouteState(engine, CLUSTER)
    state.apply(snapshot(5, 1, 2))
    state.lost()
    state.apply(snapshot(2, 7, of=transceiver(incarnation=12)))
    assert engine.flow_count() == 1
    assert state.resume() == pb.Resume(transceiver_incarnation=12, version=2)


def test_a_snapshot_cut_short_by_a_restart_is_not_resumed_from(engine: Engine) -> None:
    state = RouteState(engine, CLUSTER)
    state.apply(snapshot(5, 1, 2))
    state.lost()
    state.apply(snapshot(9, 7, of=transceiver(incarnation=12), complete=False))
    state.lost()
    assert state.resume() is None


def test_another_transceiver_at_the_same_target_replaces_the_former(engine: Engine) -> None:
    state = RouteState(engine, CLUSTER)
    state.apply(snapshot(5, 1, 2))
    state.apply(snapshot(1, 3, of=transceiver(2)))
    assert (engine.flow_count(), state.transceiver_id) == (1, 2)


def test_draining_is_known_and_changes_no_flow(engine: Engine) -> None:
    state = RouteState(engine, CLUSTER)
    state.apply(snapshot(5, 1))
    state.apply(changes(5, pb.Change(transceiver=transceiver(draining=True))))
    assert state.draining
    assert engine.flow_count() == 1


def test_flows_of_other_transports_are_left_to_their_relays(engine: Engine) -> None:
    state = RouteState(engine, CLUSTER)
    state.apply(snapshot(5))
    state.apply(changes(5, pb.Change(upsert=pb.Flow(key=key(1, pb.TRANSPORT_TCP))), upsert(2)))
    assert engine.flow_count() == 1


def test_what_a_newer_transceiver_adds_is_ignored(engine: Engine) -> None:
    state = RouteState(engine, CLUSTER)
    state.apply(snapshot(5, 1))
    assert state.apply(pb.SyncResponse()) is None
    assert state.apply(changes(5, pb.Change(), upsert(2))) == 7
    assert engine.flow_count() == 2


def test_a_transceiver_told_of_on_two_streams_is_lost_with_the_second(engine: Engine) -> None:
    """Dual stack: one pod, two addresses, two subscriptions."""
    siblings: list[RouteState] = []
    siblings += [RouteState(engine, CLUSTER, siblings) for _ in range(2)]
    for state in siblings:
        state.apply(snapshot(5, 1))
    first, second = siblings
    first.lost()
    first.release()
    first.forget()
    assert engine.flow_count() == 1
    second.lost()
    second.forget()
    assert engine.flow_count() == 0
