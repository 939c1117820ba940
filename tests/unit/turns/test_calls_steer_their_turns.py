"""What a call says to its turn taking: settings, commits, answers, the end."""

import pytest

from tests.support.turn_scene import Caller, Recorder, noise, silence, speech
from transceiver.turns.call_turns import CallTurns
from transceiver.turns.counters import TurnCounters
from transceiver.turns.interface import Eagerness, SemanticVad, ServerVad, TurnTaking

ROOM = noise(1, -65)
SENTENCE = speech()


def test_the_settings_are_the_realtime_apis() -> None:
    assert ServerVad() == ServerVad(0.5, 300, 500, None)
    assert {each: SemanticVad(each).eagerness.longest_wait_ms for each in Eagerness} == {
        Eagerness.LOW: 8000,
        Eagerness.MEDIUM: 4000,
        Eagerness.AUTO: 4000,
        Eagerness.HIGH: 2000,
    }


@pytest.mark.parametrize("wrong", [{"threshold": 1.1}, {"prefix_padding_ms": -1}, {"idle_timeout_ms": -1}])
def test_impossible_settings_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ServerVad(**wrong)


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="3 bytes"):
        Caller(ServerVad()).says(b"123")


def test_push_to_talk_hears_nothing() -> None:
    caller = Caller(None)
    caller.says(ROOM + SENTENCE + ROOM)
    assert caller.heard.events == []
    assert caller.counters.windows_past_gate == 0


def test_silence_ends_the_turn_after_the_duration_asked_for() -> None:
    ends = []
    for silence_ms in (200, 500, 1200):
        caller = Caller(ServerVad(silence_duration_ms=silence_ms))
        caller.says(ROOM + SENTENCE + ROOM + ROOM)
        _, end_us, voice_end_us = caller.heard.events[-1]
        ends.append((end_us - voice_end_us) // 1000)
    assert ends == [200, 500, 1200]


def test_a_higher_threshold_starts_later_or_never() -> None:
    starts = []
    for threshold in (0.1, 0.5, 0.9):
        caller = Caller(ServerVad(threshold=threshold))
        caller.says(ROOM + SENTENCE + ROOM)
        starts.append(caller.heard.events[0][1])
    assert starts == sorted(starts)
    wary = Caller(ServerVad(threshold=0.0))
    wary.says(ROOM + SENTENCE + ROOM)
    assert wary.heard.names == ["started", "stopped"]
    deaf = Caller(ServerVad(threshold=1.0))
    deaf.says(ROOM + SENTENCE + ROOM)
    assert deaf.heard.events == []


def test_new_settings_hold_for_the_turn_under_way() -> None:
    caller = Caller(ServerVad(silence_duration_ms=5_000))
    caller.says(ROOM + SENTENCE)
    caller.turns.configure(ServerVad(silence_duration_ms=300))
    assert caller.turns.settings == ServerVad(silence_duration_ms=300)
    caller.says(ROOM)
    assert caller.heard.names == ["started", "stopped"]


def test_push_to_talk_forgets_the_turn_under_way() -> None:
    caller = Caller(ServerVad())
    caller.says(ROOM + SENTENCE[:64_000])
    assert caller.turns.speaking
    caller.turns.configure(None)
    assert not caller.turns.speaking
    caller.says(ROOM)
    caller.turns.configure(ServerVad())
    again_us = caller.now_us
    caller.says(SENTENCE + ROOM)
    assert caller.heard.names == ["started", "started", "stopped"]
    assert caller.heard.events[1][1] >= again_us - 32_000


def test_a_commit_by_the_client_ends_the_turn_and_bounds_the_next() -> None:
    caller = Caller(ServerVad(prefix_padding_ms=2_000))
    caller.says(ROOM + SENTENCE[:64_000])
    commit_us = caller.now_us
    caller.turns.committed(commit_us)
    assert not caller.turns.speaking
    caller.says(SENTENCE[64_000:] + ROOM)
    assert caller.heard.names == ["started", "started", "stopped"]
    assert commit_us <= caller.heard.events[1][1] < commit_us + 200_000


def test_idleness_is_told_once_for_each_answer() -> None:
    caller = Caller(ServerVad(idle_timeout_ms=5_000))
    caller.says(silence(8))
    assert caller.heard.events == []
    for _ in range(2):
        caller.turns.answer_started()
        caller.says(silence(8))
        caller.turns.answer_ended()
        ended_us = caller.now_us
        caller.says(silence(12))
        assert caller.heard.events.pop() == ("idle", ended_us + 5_000_000, ended_us)
        assert caller.heard.events == []


def test_no_turn_begins_in_what_was_idle() -> None:
    caller = Caller(ServerVad(prefix_padding_ms=3_000, idle_timeout_ms=5_000))
    caller.says(silence(1))
    caller.turns.answer_ended()
    caller.says(silence(5.2) + SENTENCE)
    (_, idle_end_us, _), (_, start_us, _) = caller.heard.events[:2]
    assert start_us == idle_end_us


def test_who_speaks_is_not_idle() -> None:
    caller = Caller(ServerVad(idle_timeout_ms=5_000))
    caller.turns.answer_ended()
    caller.says(silence(3) + SENTENCE + silence(8))
    assert caller.heard.names == ["started", "stopped"]


def test_no_idleness_without_a_timeout() -> None:
    caller = Caller(ServerVad())
    caller.turns.answer_ended()
    caller.says(silence(40))
    assert caller.heard.events == []


def test_nothing_comes_after_the_end() -> None:
    caller = Caller(ServerVad())
    caller.says(ROOM + SENTENCE)
    caller.turns.close()
    caller.says(ROOM + SENTENCE + ROOM)
    for act in (caller.turns.answer_started, caller.turns.answer_ended, caller.turns.close):
        act()
    caller.turns.committed(caller.now_us)
    caller.turns.configure(SemanticVad())
    assert caller.heard.names == ["started"]


class Closes(Recorder):
    turns: TurnTaking | None = None

    def speech_started(self, start_us: int) -> None:
        super().speech_started(start_us)
        assert self.turns is not None
        self.turns.close()


def test_a_listener_may_end_it_at_once() -> None:
    listener = Closes()
    listener.turns = CallTurns(ServerVad(), listener, ears=None, questions=None, counters=TurnCounters())
    listener.turns.audio(ROOM + SENTENCE + ROOM, media_time_us=0)
    assert listener.names == ["started"]
