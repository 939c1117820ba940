"""How long a flow lives, in virtual time."""

from relay.engine.flow_table import FlowTable
from relay.engine.interface import FlowKey
from relay.engine.source import SourcePrefix
from wire.address import Address
from wire.drop import DropReason

PROXY = Address("203.0.113.1", 3478)
IDLE_S = 30.0
ALICE, BOB = 1, 2


def five_tuple(number: int) -> FlowKey:
    return FlowKey(Address("198.51.100.9", 5000 + number), PROXY)


def table(max_flows: int = 100) -> FlowTable:
    return FlowTable(max_flows=max_flows, idle_s=IDLE_S)


def test_a_flow_nobody_vouches_for_ends_after_its_idle_time() -> None:
    flows = table()
    flows.prove(five_tuple(0), ALICE, now=100.0)
    flows.expire(now=100.0 + IDLE_S - 0.001)
    assert flows.owner(five_tuple(0)) == ALICE
    flows.expire(now=100.0 + IDLE_S)
    assert flows.owner(five_tuple(0)) is None


def test_checks_and_the_transceivers_packets_prolong_it() -> None:
    flows = table()
    flows.prove(five_tuple(0), ALICE, now=0.0)
    flows.prove(five_tuple(0), ALICE, now=20.0)
    flows.expire(now=45.0)
    assert flows.touch(five_tuple(0), ALICE, now=45.0)
    flows.expire(now=74.0)
    assert len(flows) == 1


def test_another_transceivers_packets_do_not() -> None:
    flows = table()
    flows.prove(five_tuple(0), ALICE, now=0.0)
    assert not flows.touch(five_tuple(0), BOB, now=29.0)
    flows.expire(now=IDLE_S)
    assert len(flows) == 0


def test_a_synced_flow_lives_through_silence_until_it_is_taken_back() -> None:
    flows = table()
    flows.upsert_synced(ALICE, [five_tuple(0)], now=0.0)
    flows.expire(now=1e6)
    assert flows.owner(five_tuple(0)) == ALICE
    flows.remove(BOB, [five_tuple(0)])
    assert flows.owner(five_tuple(0)) == ALICE
    flows.remove(ALICE, [five_tuple(0)])
    assert flows.owner(five_tuple(0)) is None


def test_a_released_flow_has_its_idle_time_from_then() -> None:
    flows = table()
    flows.upsert_synced(ALICE, [five_tuple(0), five_tuple(1)], now=0.0)
    flows.upsert_synced(BOB, [five_tuple(2)], now=0.0)
    flows.release(ALICE, now=500.0)
    flows.touch(five_tuple(1), ALICE, now=520.0)
    flows.expire(now=500.0 + IDLE_S)
    assert [flows.owner(five_tuple(number)) for number in range(3)] == [None, ALICE, BOB]


def test_vouching_again_after_a_release_makes_it_lasting() -> None:
    flows = table()
    flows.upsert_synced(ALICE, [five_tuple(0)], now=0.0)
    flows.release(ALICE, now=0.0)
    flows.replace_synced(ALICE, [five_tuple(0)], now=1.0)
    flows.expire(now=1e6)
    assert len(flows) == 1


def test_a_flood_of_new_flows_pushes_out_none() -> None:
    flows = table(max_flows=10)
    held = [five_tuple(number) for number in range(10)]
    assert flows.upsert_synced(ALICE, held[:5], now=0.0) == 0
    for key in held[5:]:
        assert flows.refuse(key) is None
        flows.prove(key, ALICE, now=0.0)
    flood = [five_tuple(number) for number in range(10, 1000)]
    assert {flows.refuse(key) for key in flood} == {DropReason.FLOW_TABLE_FULL}
    assert flows.upsert_synced(BOB, flood, now=0.0) == len(flood)
    assert len(flows) == 10
    assert all(flows.owner(key) == ALICE for key in held)


def test_a_snapshot_makes_room_before_it_takes_any() -> None:
    flows = table(max_flows=5)
    flows.upsert_synced(ALICE, [five_tuple(number) for number in range(5)], now=0.0)
    assert flows.replace_synced(ALICE, [five_tuple(number) for number in range(5, 10)], now=0.0) == 0
    assert flows.owner(five_tuple(9)) == ALICE


def test_a_source_has_so_many_flows_and_gets_back_what_it_gives_up() -> None:
    flows = FlowTable(max_flows=100, idle_s=IDLE_S, max_flows_per_source=2, source=SourcePrefix(32, 56))
    elsewhere = FlowKey(Address("198.51.100.10", 5000), PROXY)
    for number in range(2):
        flows.prove(five_tuple(number), ALICE, now=0.0)
    flows.prove(five_tuple(0), BOB, now=0.0)  # a flow that changes hands is still one
    assert flows.refuse(five_tuple(2)) is DropReason.SOURCE_FLOW_LIMIT
    assert flows.refuse(elsewhere) is None
    flows.remove(BOB, [five_tuple(0)])
    assert flows.refuse(five_tuple(2)) is None


def test_what_a_transceiver_vouches_for_counts_and_is_never_refused() -> None:
    flows = FlowTable(max_flows=100, idle_s=IDLE_S, max_flows_per_source=2, source=SourcePrefix(32, 56))
    assert flows.upsert_synced(ALICE, [five_tuple(number) for number in range(5)], now=0.0) == 0
    assert len(flows) == 5
    assert flows.refuse(five_tuple(5)) is DropReason.SOURCE_FLOW_LIMIT


def test_a_source_over_ipv6_is_a_network() -> None:
    flows = FlowTable(max_flows=100, idle_s=IDLE_S, max_flows_per_source=1, source=SourcePrefix(32, 56))
    flows.prove(FlowKey(Address("2001:db8:0:100::1", 5000), PROXY), ALICE, now=0.0)
    assert flows.refuse(FlowKey(Address("2001:db8:0:1ff::2", 5000), PROXY)) is DropReason.SOURCE_FLOW_LIMIT
    assert flows.refuse(FlowKey(Address("2001:db8:0:200::1", 5000), PROXY)) is None
