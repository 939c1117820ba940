"""At its end each call is told of in a log line and the metrics: how it was set up, what was lost, how it sounded."""

from pathlib import Path

import aiohttp
import pytest
from structlog.testing import capture_logs

from tests.support.live_caller import FRAME_SAMPLES, calling, frame
from tests.support.whole_transceiver import reachable_transceiver
from transceiver.quality.report import CallReport, VoiceQuality, report
from transceiver.quality.totals import KEPT, QualityTotals
from transceiver.session.setup_stages import SetupStages
from transceiver.session.stats import SessionStats

FRAMES = 100
LOSE_EVERY = 10


def stats(**given: float) -> SessionStats:
    """A session that lost nothing, with what is given instead."""
    plain: dict[str, float | None] = {
        "packets_received": 1000,
        "bytes_received": 60_000,
        "packets_lost": 0,
        "jitter_s": 0.002,
        "packets_sent": 500,
        "packets_repeated": 0,
        "bytes_sent": 30_000,
        "remote_packets_lost": 0,
        "remote_fraction_lost": 0.0,
        "round_trip_s": 0.08,
    }
    return SessionStats(**{**plain, **given})  # type: ignore[arg-type]  # the fields' own types


def reported(voice: VoiceQuality | None = None, **given: float) -> CallReport:
    """The report on a call of 20 s whose client was quick."""
    stages = SetupStages(offered_at=100.0, reached_at=100.08, connected_at=100.2, heard_at=100.25)
    return report(
        "rtc_1",
        "hangup",
        stages=stages,
        answered_at=100.05,
        ended_at=120.0,
        stats=stats(**given),
        voice=voice or VoiceQuality(),
    )


def test_stages_count_from_the_offer() -> None:
    of = reported()
    assert (of.answered_ms, of.reached_ms, of.connected_ms, of.first_audio_ms) == (50, 80, 200, 250)
    assert of.duration_s == 20.0


def test_a_perfect_call_scores_nearly_the_best() -> None:
    of = reported()
    assert of.from_client_gap_ratio == of.to_client_gap_ratio == 0.0
    # 40 ms of path, 40 ms of waiting for late packets, 20 ms of a frame: 2.4 points of R.
    assert of.from_client_mos == of.to_client_mos == pytest.approx(4.36, abs=0.005)


def test_loss_counts_on_its_own_side() -> None:
    of = reported(packets_received=900, packets_lost=100, remote_packets_lost=5)
    assert of.from_client_gap_ratio == pytest.approx(0.1)
    assert of.to_client_gap_ratio == pytest.approx(0.01)
    assert of.from_client_mos is not None
    assert of.to_client_mos is not None
    assert of.from_client_mos < 3.6 < of.to_client_mos


def test_answers_that_falter_are_gaps_in_what_the_client_hears() -> None:
    of = reported(VoiceQuality(answer_gaps=3, answer_silence_s=2.5))
    # 500 packets are 10 s of speech.
    assert of.to_client_gap_ratio == pytest.approx(2.5 / 12.5)
    assert of.from_client_gap_ratio == 0.0
    assert (of.answer_gaps, of.answer_silence_ms) == (3, 2500)


def test_duplicates_are_no_negative_loss() -> None:
    of = reported(packets_lost=-7, remote_packets_lost=-3)
    assert (of.from_client_lost, of.to_client_lost) == (0, 0)


def test_what_did_not_happen_is_not_rated() -> None:
    nobody = SetupStages(offered_at=100.0)
    quiet = stats(packets_received=0, packets_sent=3)
    of = report(
        "rtc_1", "setup_timeout", stages=nobody, answered_at=100.1, ended_at=130.0, stats=quiet, voice=VoiceQuality()
    )
    assert (of.reached_ms, of.connected_ms, of.first_audio_ms) == (None, None, None)
    assert (of.from_client_mos, of.to_client_mos) == (None, None)
    totals = QualityTotals()
    totals.add(of)
    assert sum(totals.setup_s["answered"].counts) == 1
    assert not any(sum(each.counts) for each in (totals.setup_s["connected"], *totals.mos.values()))


def test_reports_that_are_kept_have_a_bound() -> None:
    totals = QualityTotals()
    for number in range(KEPT + 5):
        of = reported()
        totals.add(CallReport(**{**of.fields(), "call": f"rtc_{number}"}))  # type: ignore[arg-type]  # its own fields
    assert len(totals.latest) == KEPT
    assert "rtc_4" not in totals.latest
    assert "rtc_5" in totals.latest


async def test_a_real_call_is_told_of_in_the_log_by_the_admin_endpoint_and_in_the_metrics(tmp_path: Path) -> None:
    with capture_logs() as lines:
        async with reachable_transceiver(tmp_path) as transceiver:
            async with calling(transceiver, model="loopback") as caller:
                await caller.stop_speaking()
                begun = caller.frames_sent
                for number in range(begun, begun + FRAMES):
                    if number % LOSE_EVERY == LOSE_EVERY // 2:
                        # Lost on the way: it has a number, and nobody gets it.
                        caller.client.send_audio(frame(number), number * FRAME_SAMPLES, level=30)
                        caller.client.take_datagrams()
                        caller.frames_sent += 1
                    else:
                        caller.send_frame()
                caller.send_frame()
                told = begun + FRAMES + 1 - FRAMES // LOSE_EVERY
                await caller.until(lambda: len(caller.heard) >= told, "what was not lost comes back")
                status, _, _ = await caller.request("POST", f"/v1/realtime/calls/{caller.call_id}/hangup")
                assert status == 200
                call_id = caller.call_id
                admin = transceiver.admin
                async with aiohttp.ClientSession() as client:
                    async with client.get(f"{admin}/calls/{call_id}") as answer:
                        retrieved = await answer.json()
                    async with client.get(f"{admin}/calls/rtc_other") as answer:
                        assert answer.status == 404
            metrics = await transceiver.metrics()
    (line,) = [line for line in lines if line["event"] == "call ended"]
    assert retrieved == {name: line[name] for name in retrieved}
    assert (line["call"], line["reason"]) == (call_id, "hangup")
    assert line["from_client_lost"] == FRAMES // LOSE_EVERY
    assert line["from_client_gap_ratio"] == pytest.approx(1 / LOSE_EVERY, rel=0.2)
    assert line["to_client_packets"] == told
    assert line["from_client_mos"] < line["to_client_mos"]
    assert line["answered_ms"] <= line["connected_ms"] <= line["first_audio_ms"]
    assert "127.0.0.1" not in str(line)
    assert 'fabric_transceiver_call_mos_count{direction="from_client"} 1.0' in metrics
    assert 'fabric_transceiver_call_setup_seconds_count{stage="connected"} 1.0' in metrics
