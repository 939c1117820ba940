"""A model slower than real time is told from one that stops to think."""

from transceiver.realtime.speech_gaps import GAPS, SILENT_S, SpeechGaps


def heard(gap_s: float, played_s: float, times: int) -> list[bool]:
    """What each piece of an answer says that plays `played_s` and is followed by a gap."""
    gaps, now, told = SpeechGaps(), 0.0, []
    for _ in range(times):
        told.append(gaps.spoke("resp", now))
        gaps.drained("resp", now + played_s)
        now += played_s + gap_s
    return told


def test_many_gaps_are_told_once() -> None:
    told = heard(gap_s=0.03, played_s=0.02, times=200)
    assert told.count(True) == 1
    assert told.index(True) * 0.03 >= SILENT_S


def test_a_thought_or_a_breath_between_sentences_is_no_fault() -> None:
    assert not any(heard(gap_s=10.0, played_s=1.0, times=GAPS))
    assert not any(heard(gap_s=0.1, played_s=2.0, times=100))


def test_every_answer_is_judged_by_itself() -> None:
    gaps = SpeechGaps()
    for response in ("one", "two"):
        told = []
        for piece in range(100):
            told.append(gaps.spoke(response, piece * 0.1))
            gaps.drained(response, piece * 0.1 + 0.02)
        assert told.count(True) == 1
