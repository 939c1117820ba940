"""Which side of a run of calls was at its limit: the load, the target, or the machine that both share."""

from bench.calls.limits import MachineUse, Shortcomings, limit, why_invalid
from bench.report.model import Generator, Process

FINE = Shortcomings(offers_late_ms=1.0, sent=100_000, own_drops=0, path_late_share=0.0)
IDLE = MachineUse(cores=2, busy=0.9, load=0.3, target={"transceiver-1": 0.5})
FULL = MachineUse(cores=2, busy=1.97, load=0.41, target={"relay-1": 0.25, "transceiver-1": 1.2})
PUNCTUAL = Generator(cpu_share_of_core=0.4, late_p99_ms=3.0)
LATE = Generator(cpu_share_of_core=0.4, late_p99_ms=47.0)


def test_a_run_far_from_every_limit_names_none() -> None:
    assert why_invalid(PUNCTUAL, FINE, IDLE) == []
    found = limit(PUNCTUAL, [Process(name="transceiver-1", cpu_share_of_core=0.5)], IDLE, [])
    assert found.side is None
    assert found.because.startswith("0.90 of this machine's 2 cores were busy, 0.50 with the target")
    assert limit(PUNCTUAL, [], IDLE._replace(target={}), []) == (None, "")


def test_a_load_whose_core_is_full_is_the_limit() -> None:
    full = Generator(cpu_share_of_core=0.99, late_p99_ms=30.0)
    reasons = why_invalid(full, FINE, FULL)
    assert reasons[0] == "a process of the load used 99% of its core: use more --processes"
    found = limit(full, [], FULL, reasons)
    assert found.side == "generator"


def test_a_full_machine_is_the_limit_and_it_is_told_who_filled_it() -> None:
    (reason,) = why_invalid(LATE, FINE, FULL)
    told = (
        "1.97 of this machine's 2 cores were busy, 1.45 with the target (most with transceiver-1, 1.20), 0.41 with the"
    )
    assert reason.startswith(f"packets left 47 ms late at the 99th percentile: {told}")
    found = limit(LATE, [Process(name="transceiver-1", cpu_share_of_core=1.2)], FULL, [reason])
    assert found.side == "machine"
    assert found.because.startswith(told)


def test_what_nobody_named_may_have_filled_the_machine() -> None:
    use = MachineUse(cores=2, busy=1.9, load=0.4, target={})
    assert use.told.endswith("0.40 with the load, 1.50 with the rest, which nobody named")


def test_a_full_core_of_the_target_is_its_limit() -> None:
    found = limit(PUNCTUAL, [Process(name="transceiver-1", cpu_share_of_core=0.96)], IDLE, [])
    assert (found.side, found.because) == ("target", "transceiver-1 used 96% of a core")


def test_a_load_that_is_late_on_an_idle_machine_has_only_itself_to_blame() -> None:
    reasons = why_invalid(LATE, FINE, IDLE)
    found = limit(LATE, [], IDLE, reasons)
    assert (found.side, found.because) == ("generator", "packets left 47 ms late at the 99th percentile")


def test_a_kernel_that_does_not_tell_leaves_the_machine_out() -> None:
    use = MachineUse(cores=2, busy=None, load=0.4, target={})
    found = limit(LATE, [], use, why_invalid(LATE, FINE, use))
    assert found.side == "generator"


def test_packets_that_our_own_sockets_lose_make_a_run_invalid() -> None:
    assert "sockets lost 200 packets" in why_invalid(PUNCTUAL, FINE._replace(own_drops=200), IDLE)[0]
    assert "who listens" in why_invalid(PUNCTUAL, FINE._replace(broken=["who listens is gone"]), IDLE)[0]
    assert "too slow" in why_invalid(PUNCTUAL, FINE._replace(path_late_share=0.02), IDLE)[0]
    assert "offers were posted 300 ms late" in why_invalid(PUNCTUAL, FINE._replace(offers_late_ms=300.0), IDLE)[0]
