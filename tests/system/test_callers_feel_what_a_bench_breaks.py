"""`offhook bench calls --fault` on a running fabric: what callers felt is in the report, and the relays agree."""

from collections.abc import Callable

import pytest

from bench.report.model import Result
from tests.support.bench_command import bench, missing_callers
from tests.support.fabric import running_fabric

CALLS = 20
FAULTS = ("delay=40ms±5@0s-4s", "loss=10%@4s-6s", "nat-rebind@7s", "kill-relay@11s")
pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def broken(require: Callable[[str | None], None], tmp_path_factory: pytest.TempPathFactory) -> Result:
    """One run in which one thing after another is broken."""
    require(missing_callers())
    report = tmp_path_factory.mktemp("broken") / "result.json"
    with running_fabric("--relays", "2", "--transceivers", "1", "--workers", "0") as fabric:
        ended = bench(
            *("calls", "--target", f"{fabric.http}/v1/realtime/calls?model=loopback", "--accept-invalid"),
            *("--fabric", str(fabric.ready_file), "--calls", str(CALLS), "--rate", "20", "--duration", "12"),
            *(part for fault in FAULTS for part in ("--fault", fault)),
            *("--json", str(report)),
            key=fabric.api_key,
        )
    assert report.exists(), ended.stderr
    return Result.model_validate_json(report.read_text())


def test_every_fault_is_done_and_costs_no_call(broken: Result) -> None:
    assert [(fault.name, fault.error, fault.calls_lost) for fault in broken.faults] == [
        (fault, None, 0) for fault in FAULTS
    ]
    assert broken.calls is not None
    assert (broken.calls.up, broken.calls.failed) == (CALLS, 0)


def test_a_worse_path_is_measured(broken: Result) -> None:
    trips, lost = broken.series("round_trip_p50"), broken.series("packets_lost")
    assert trips is not None
    assert lost is not None
    # The fabric's own share comes on top.
    assert (trips.values[3] or 0) >= 70
    lost_while = sum(value or 0 for value in lost.values[4:6])
    assert 0.1 * 2 * 50 * CALLS < lost_while < 0.35 * 2 * 50 * CALLS


def test_callers_whose_mappings_were_forgotten_are_deaf_until_their_next_check(
    broken: Result, show: Callable[[str], None]
) -> None:
    rebound = broken.faults[2]
    assert rebound.what == f"{CALLS + 3} callers went on from another port"
    assert rebound.silence is not None
    # Until then nobody knows who sends from the new port.
    assert rebound.calls_touched > 0
    show(f"NAT rebinding: longest silence p50 {rebound.silence.p50:.0f} ms, max {rebound.silence.max:.0f} ms")


def test_the_relays_agree_with_what_callers_felt_of_one_that_was_killed(
    broken: Result, show: Callable[[str], None]
) -> None:
    fault = broken.faults[3]
    assert fault.what.startswith("relay-1 (process ")
    assert fault.calls_playing == CALLS
    assert fault.silence is not None
    assert fault.silence.count == CALLS
    sent, lost = broken.series("packets_sent"), broken.series("packets_lost")
    assert sent is not None
    assert lost is not None
    # Every datagram of a caller was received by a relay that can be asked still, or was lost. Beside audio there are
    # RTCP and STUN; the second in which it happened is there in part.
    sent_since, lost_since = (sum(value or 0 for value in series.values[11:]) for series in (sent, lost))
    sent_after = sum(value or 0 for value in sent.values[12:])
    counted = {figure.name: figure.value or 0 for figure in fault.seen_by_target}
    assert counted["relays_received"] + lost_since >= 0.95 * sent_after
    assert counted["relays_received"] <= 1.2 * sent_since
    show(
        f"relay killed under {CALLS} calls: longest silence p50 {fault.silence.p50:.0f} ms, max {fault.silence.max:.0f}"
        f" ms, {lost_since:.0f} packets lost, counters {counted}"
    )
