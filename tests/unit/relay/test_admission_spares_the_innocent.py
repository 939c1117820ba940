"""What a flood may cost and who pays for it, in virtual time. `now` begins anywhere, as monotonic clocks do."""

from relay.engine.admission import Admission
from relay.engine.interface import FlowKey
from relay.engine.limits import AdmissionLimits
from relay.engine.source import SourcePrefix
from wire.address import Address
from wire.drop import DropReason

PROXY = Address("203.0.113.1", 3478)
NOW = 86_400.0
LIMITS = AdmissionLimits(new_flows_per_s=2, unproven_checks_per_s=100, proven_checks_per_s=100, suspect_checks_per_s=1)
SUSPICION = 10
"""So many wrong checks at once make a suspect, with these limits."""


def client(host: str, port: int = 5000) -> FlowKey:
    return FlowKey(Address(host, port), PROXY)


ATTACKER = client("198.51.100.9")
NEIGHBOUR = client("198.51.100.9", 6000)
STRANGER = client("192.0.2.77")


def admission() -> Admission:
    return Admission(LIMITS, SourcePrefix(32, 56))


def flood(admits: Admission, key: FlowKey, checks: int, now: float) -> list[DropReason]:
    """Wrong checks; returns why they were refused before their integrity was looked at."""
    refusals = []
    for _ in range(checks):
        refused = admits.refuse_check(key, now, proven=False)
        if refused is None:
            admits.check_failed(key, now, proven=False)
        else:
            refusals.append(refused)
    return refusals


def test_a_neighbour_of_a_suspect_is_served_while_there_is_budget() -> None:
    admits = admission()
    assert flood(admits, ATTACKER, 2 * SUSPICION, NOW) == []
    assert admits.refuse_check(NEIGHBOUR, NOW, proven=False) is None


def test_a_suspect_takes_half_of_the_budget_and_leaves_the_rest() -> None:
    admits = admission()
    refusals = flood(admits, ATTACKER, 1000, NOW)
    assert len(refusals) == 1000 - 50
    assert set(refusals) == {DropReason.RATE_LIMITED}
    assert admits.budgets(NOW).unproven_checks == 0.5
    for _ in range(50):
        assert admits.refuse_check(STRANGER, NOW, proven=False) is None
    assert admits.refuse_check(STRANGER, NOW, proven=False) is DropReason.CHECK_BUDGET
    assert admits.refuse_check(STRANGER, NOW + 0.02, proven=False) is None


def test_calls_keep_their_reserve_through_a_flood_from_their_own_address() -> None:
    admits = admission()
    flood(admits, ATTACKER, 1000, NOW)
    assert admits.budgets(NOW).proven_checks == 1.0
    assert admits.refuse_check(NEIGHBOUR, NOW, proven=True) is None


def test_whoever_floods_on_a_proven_five_tuple_is_last_in_the_reserve() -> None:
    admits = admission()
    refusals = [admits.refuse_check(ATTACKER, NOW, proven=True) for _ in range(1000)]
    assert refusals.count(None) == 50
    assert set(refusals) == {None, DropReason.RATE_LIMITED}
    assert admits.refuse_check(NEIGHBOUR, NOW, proven=True) is None


def test_suspicion_passes() -> None:
    admits = admission()
    flood(admits, ATTACKER, 1000, NOW)
    later = NOW + SUSPICION + 1.0
    assert flood(admits, ATTACKER, SUSPICION, later) == []
    for _ in range(40):
        admits.refuse_check(STRANGER, later, proven=False)
    # Half of the budget is gone, and the source had its ten wrong checks again: now it is a suspect.
    assert admits.refuse_check(NEIGHBOUR, later, proven=False) is DropReason.RATE_LIMITED


def test_honest_sources_never_become_suspects() -> None:
    admits = admission()
    for check in range(100):
        assert admits.refuse_check(STRANGER, NOW + check / 1000, proven=False) is None
    assert admits.refuse_check(STRANGER, NOW + 0.1, proven=False) is None


def test_new_flows_come_at_a_rate() -> None:
    admits = admission()
    assert [admits.refuse_flow(NOW) for _ in range(11)] == [None] * 10 + [DropReason.NEW_FLOW_BUDGET]
    assert admits.refuse_flow(NOW + 0.4) is DropReason.NEW_FLOW_BUDGET
    assert admits.refuse_flow(NOW + 0.5) is None
