"""`offhook bench calls --fault` on a running fabric: what callers felt is in the report, and the relays agree."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.report.model import Result
from tests.support.bench_command import bench, missing_callers
from tests.support.fabric import Fabric, running_fabric

CALLS = 20
pytestmark = [pytest.mark.system, pytest.mark.timeout(500)]


@pytest.fixture(scope="module", autouse=True)
def callers(require: Callable[[str | None], None]) -> None:
    """The load client is there."""
    require(missing_callers())


def broken(fabric: Fabric, report: Path, *faults: str) -> Result:
    target = f"{fabric.http}/v1/realtime/calls?model=loopback"
    ended = bench(
        *("calls", "--target", target, "--fabric", str(fabric.ready_file), "--accept-invalid"),
        *("--calls", str(CALLS), "--rate", "20", "--duration", "8", "--json", str(report)),
        *(part for fault in faults for part in ("--fault", fault)),
        key=fabric.api_key,
    )
    assert report.exists(), ended.stderr
    return Result.model_validate_json(report.read_text())


def test_a_relay_is_killed_and_the_relays_agree_with_what_callers_felt(
    tmp_path: Path, show: Callable[[str], None]
) -> None:
    with running_fabric("--relays", "2", "--transceivers", "1", "--workers", "0") as fabric:
        result = broken(fabric, tmp_path / "killed.json", "kill-relay@4s")
    (fault,) = result.faults
    assert fault.error is None
    assert fault.what.startswith("relay-1 (process ")
    assert (fault.calls_playing, fault.calls_lost) == (CALLS, 0)
    assert fault.silence is not None
    assert fault.silence.count == CALLS
    assert result.packets is not None
    sent = result.series("packets_sent")
    assert sent is not None
    # Every datagram of a caller was received by a relay that can be asked still, or was lost. Beside audio there are
    # RTCP and STUN; the second in which it happened is there in part.
    sent_since = sum(value or 0 for value in sent.values[5:])
    counted = {figure.name: figure.value or 0 for figure in fault.seen_by_target}
    assert counted["relays_received"] + result.packets.lost >= 0.95 * sent_since
    assert counted["relays_received"] <= 1.2 * (sent_since + 50 * CALLS)
    show(
        f"relay killed under {CALLS} calls: longest silence p50 {fault.silence.p50:.0f} ms, max {fault.silence.max:.0f}"
        f" ms, {result.packets.lost} packets lost, counters {counted}"
    )


def test_a_worse_path_is_measured_and_forgotten_mappings_cost_no_call(
    tmp_path: Path, show: Callable[[str], None]
) -> None:
    with running_fabric("--relays", "1", "--transceivers", "1", "--workers", "0") as fabric:
        faults = ("delay=40ms±5@0s-4s", "loss=10%@4s-6s", "nat-rebind@7s")
        result = broken(fabric, tmp_path / "worse.json", *faults)
    assert [fault.error for fault in result.faults] == [None] * 3
    assert [fault.calls_lost for fault in result.faults] == [0, 0, 0]
    assert result.calls is not None
    assert (result.calls.up, result.calls.failed) == (CALLS, 0)
    trips, lost = result.series("round_trip_p50"), result.series("packets_lost")
    assert trips is not None
    assert lost is not None
    # The fabric's own share comes on top.
    assert (trips.values[3] or 0) >= 70
    lost_while = sum(value or 0 for value in lost.values[4:6])
    assert 0.1 * 2 * 50 * CALLS < lost_while < 0.35 * 2 * 50 * CALLS
    rebound = result.faults[2]
    assert rebound.what == f"{CALLS + 3} callers went on from another port"
    assert rebound.silence is not None
    # Until its next check nobody knows who sends from the new port.
    assert rebound.calls_touched > 0
    show(f"NAT rebinding: longest silence p50 {rebound.silence.p50:.0f} ms, max {rebound.silence.max:.0f} ms")
