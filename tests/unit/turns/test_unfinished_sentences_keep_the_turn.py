"""Semantic end of turn: what ends it, and when."""

from collections.abc import Callable

import pytest

from tests.support.turn_scene import Caller, model_file, noise, silence, speech
from transceiver.turns.interface import Eagerness, SemanticVad, ServerVad
from transceiver.turns.listening import InlineEars
from transceiver.turns.questions import InlineQuestions, OnAnswer, Question
from transceiver.turns.segmenter import PAUSES_US
from transceiver.turns.turns import SILERO_FILE, SMART_TURN_FILE

ROOM = noise(1, -65)
# "And Mister John Dashwood had", and "... to consider how much"; ends of words by forced alignment.
UNFINISHED_S = (1.84, 4.33)


class Says:
    """An end-of-turn model that says what it is told to, and keeps what it was asked."""

    def __init__(self, *answers: bool) -> None:
        self.answers = list(answers)
        self.asked: list[bytes] = []

    def is_finished(self, pcm: bytes) -> bool:
        self.asked.append(pcm)
        return self.answers.pop(0)


class Withdrawn:
    def __init__(self) -> None:
        self.withdrawn = False

    def withdraw(self) -> None:
        self.withdrawn = True


class Later:
    """`Questions` that are answered when the test says so."""

    def __init__(self) -> None:
        self.asked: list[tuple[OnAnswer, Withdrawn]] = []

    def ask(self, pcm: bytes, on_answer: OnAnswer) -> Question:
        self.asked.append((on_answer, Withdrawn()))
        return self.asked[-1][1]

    def close(self) -> None:
        pass


def cut(at_s: float) -> bytes:
    return speech()[: 2 * round(at_s * 16_000)]


def neural(settings: SemanticVad) -> Caller:
    from transceiver.turns.silero import SileroVad  # noqa: PLC0415 - an extra
    from transceiver.turns.smart_turn import SmartTurn  # noqa: PLC0415 - an extra

    return Caller(
        settings,
        ears=InlineEars(SileroVad(model_file(SILERO_FILE))),
        questions=InlineQuestions(SmartTurn(model_file(SMART_TURN_FILE))),
    )


def test_a_finished_sentence_ends_after_a_short_pause(show: Callable[[str], None]) -> None:
    caller = neural(SemanticVad(Eagerness.LOW))
    caller.says(ROOM + speech() + ROOM)
    assert caller.heard.names == ["started", "stopped"]
    _, end_us, voice_end_us = caller.heard.events[1]
    show(f"a finished sentence ends {(end_us - voice_end_us) / 1000:.0f} ms after the voice")
    assert end_us - voice_end_us == PAUSES_US[0]


@pytest.mark.parametrize(
    ("eagerness", "longest_us"),
    [(Eagerness.LOW, 8_000_000), (Eagerness.AUTO, 4_000_000), (Eagerness.HIGH, 2_000_000)],
)
def test_an_unfinished_sentence_waits_as_long_as_eagerness_says(eagerness: Eagerness, longest_us: int) -> None:
    for at_s in UNFINISHED_S:
        caller = neural(SemanticVad(eagerness))
        caller.says(ROOM + cut(at_s) + noise(9, -65))
        assert caller.heard.names == ["started", "stopped"]
        _, end_us, voice_end_us = caller.heard.events[1]
        assert end_us - voice_end_us == longest_us


def test_who_goes_on_after_thinking_has_said_one_sentence() -> None:
    caller = neural(SemanticVad())
    caller.says(ROOM + cut(1.84) + noise(1.5, -65) + speech()[len(cut(1.84)) :] + ROOM)
    assert caller.heard.names == ["started", "stopped"]


def test_each_pause_is_asked_about_with_the_turn_up_to_it_and_once_more_after_a_no() -> None:
    model = Says(False, False, True)
    caller = Caller(SemanticVad(), questions=InlineQuestions(model))
    caller.says(silence(20) + ROOM + cut(4) + noise(1, -65) + speech() + ROOM)
    assert caller.heard.names == ["started", "stopped"]
    first, second, last = (round(len(pcm) / 32_000, 2) for pcm in model.asked)
    assert first == pytest.approx(4.2, abs=0.3)
    assert last == 8.0
    assert second - first == pytest.approx(0.13, abs=0.02)
    assert speech()[40_000:100_000] in model.asked[0]


def test_a_sentence_that_sounds_finished_only_after_more_silence_ends_then() -> None:
    caller = Caller(SemanticVad(), questions=InlineQuestions(Says(False, True)))
    caller.says(ROOM + cut(4) + ROOM)
    _, end_us, voice_end_us = caller.heard.events[1]
    assert end_us - voice_end_us == PAUSES_US[1]


def test_a_slow_answer_is_waited_for_and_then_asked_again() -> None:
    questions = Later()
    caller = Caller(SemanticVad(), questions=questions)
    caller.says(ROOM + cut(4) + noise(0.6, -65))
    ((on_answer, _),) = questions.asked
    on_answer(False)
    caller.says(noise(0.1, -65))
    assert not caller.heard.names[1:]
    questions.asked[1][0](True)
    _, end_us, voice_end_us = caller.heard.events[1]
    assert end_us - voice_end_us == PAUSES_US[1]


def test_an_answer_that_speech_has_overtaken_ends_nothing() -> None:
    questions = Later()
    caller = Caller(SemanticVad(), questions=questions)
    caller.says(ROOM + cut(4) + noise(0.5, -65) + cut(4))
    (on_answer, question), *_ = questions.asked
    assert question.withdrawn
    on_answer(True)
    assert caller.heard.names == ["started"]


def test_an_answer_that_the_settings_have_overtaken_ends_nothing() -> None:
    questions = Later()
    caller = Caller(SemanticVad(), questions=questions)
    caller.says(ROOM + cut(4) + noise(0.5, -65))
    caller.turns.configure(ServerVad(silence_duration_ms=2_000))
    questions.asked[0][0](True)
    assert caller.heard.names == ["started"]


def test_an_answer_that_comes_late_ends_the_turn_where_it_was_asked() -> None:
    questions = Later()
    caller = Caller(SemanticVad(), questions=questions)
    caller.says(ROOM + cut(4) + noise(1, -65))
    ((on_answer, _),) = questions.asked
    on_answer(True)
    _, end_us, voice_end_us = caller.heard.events[1]
    assert end_us == voice_end_us + PAUSES_US[0]


@pytest.mark.parametrize(
    ("eagerness", "silence_ms"), [(Eagerness.LOW, 1200), (Eagerness.MEDIUM, 800), (Eagerness.HIGH, 500)]
)
def test_where_nothing_can_tell_a_pause_ends_the_turn(eagerness: Eagerness, silence_ms: int) -> None:
    refusing = Later()
    for questions in (None, refusing):
        caller = Caller(SemanticVad(eagerness), questions=questions)
        caller.says(ROOM + speech() + noise(0.4, -65))
        if questions is not None:
            refusing.asked[-1][0](None)
        caller.says(noise(2, -65))
        _, end_us, voice_end_us = caller.heard.events[1]
        assert end_us - voice_end_us == 1000 * silence_ms


def test_features_are_whispers() -> None:
    """Sampled from the implementation that the model's authors publish (pipecat-ai 1.14.0)."""
    np = pytest.importorskip("numpy")
    from transceiver.turns.log_mel import log_mel  # noqa: PLC0415 - an extra

    samples = np.zeros(128_000, np.float32)
    voice = np.frombuffer(speech(), np.int16) / np.float32(32768)
    samples[-len(voice) :] = voice
    features = log_mel(samples)
    expected = {
        0: [1.111, -0.0957, -0.0957, -0.0957],
        89: [1.1109, -0.0957, -0.0957, -0.0957],
        90: [1.1298, 0.2437, 0.2684, -0.0957],
        150: [1.4374, 1.4608, 0.8654, -0.0957],
        333: [1.1217, 1.5045, 0.3556, -0.0957],
        500: [1.3984, 1.3987, 0.6342, -0.0957],
        700: [1.2044, 1.3634, 0.7983, -0.0957],
        799: [0.9861, 0.0617, 0.0211, -0.0957],
    }
    assert features.shape == (80, 800)
    assert {f: pytest.approx(features[[0, 10, 39, 79], f].tolist(), abs=1e-4) for f in expected} == expected
    assert [float(features.mean()), float(features.std())] == pytest.approx([0.52804, 0.49137], abs=1e-4)
