"""The threads that run the models: order, batches, overload, the end; and what serves where a model is missing."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from offhook.service.config import ConfigError
from tests.support.turn_scene import Caller, Recorder, model_file, noise, speech
from transceiver.turns.counters import ModelCounters
from transceiver.turns.detector import MAX_WAITING_WINDOWS, Listen
from transceiver.turns.interface import EndOfTurn, SemanticVad, ServerVad, SpeechDetector
from transceiver.turns.listening import MAX_BATCH, MAX_QUEUED_WINDOWS, ListeningPool
from transceiver.turns.metrics import TurnsCollector
from transceiver.turns.questions import MAX_WAITING, QuestionPool
from transceiver.turns.turns import SILERO_FILE, SMART_TURN_FILE, start_turns

WINDOW = bytes(1024)


class Held:
    """A speech model that runs when the test lets it; its probability for a window is the window's first byte / 255."""

    def __init__(self) -> None:
        self.may_run = threading.Semaphore(0)
        self.started = threading.Semaphore(0)
        self.batches: list[int] = []
        self.fails = False

    def new_memory(self) -> list[int]:
        return []

    def probabilities(self, memories: Sequence[Any], windows: Sequence[bytes]) -> list[float]:
        assert threading.current_thread() is not threading.main_thread()
        self.started.release()
        assert self.may_run.acquire(timeout=30)
        self.batches.append(len(windows))
        for memory, window in zip(memories, windows, strict=True):
            memory.append(window[0])
        if self.fails:
            raise RuntimeError("no memory left")
        return [window[0] / 255 for window in windows]

    async def until_started(self) -> None:
        assert await asyncio.to_thread(self.started.acquire, timeout=30)

    def release(self, runs: int = 1000) -> None:
        self.may_run.release(runs)


def windows(*marks: int, fresh: bool = False) -> Listen:
    return Listen(tuple(bytes([mark]) + WINDOW[1:] for mark in marks), fresh)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.005)


class Scene:
    def __init__(self) -> None:
        self.model = Held()
        self.counters = ModelCounters()
        self.pool = ListeningPool(self.model, asyncio.get_running_loop(), self.counters)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    yield scene
    scene.model.release()
    await asyncio.to_thread(scene.pool.close)


async def test_answers_come_in_order_for_each_call(scene: Scene) -> None:
    answers: dict[int, list[float | None]] = {0: [], 1: [], 2: []}
    ears = [scene.pool.open(answers[call].extend) for call in answers]
    for mark in range(20):
        for ear in ears:
            ear.listen(windows(mark))
    scene.model.release()
    await until(lambda: all(len(each) == 20 for each in answers.values()))
    assert all(each == [mark / 255 for mark in range(20)] for each in answers.values())


async def test_windows_of_many_calls_are_judged_in_one_run(scene: Scene) -> None:
    answers: list[float | None] = []
    ears = [scene.pool.open(answers.extend) for _ in range(40)]
    ears[0].listen(windows(0))
    await scene.model.until_started()
    for ear in ears:
        ear.listen(windows(1))
    scene.model.release()
    await until(lambda: len(answers) == 41)
    assert scene.model.batches == [1, MAX_BATCH, 8]
    assert (scene.counters.runs, scene.counters.judged) == (3, 41)


async def test_one_that_has_much_to_say_delays_no_other(scene: Scene) -> None:
    order: list[str] = []
    much = scene.pool.open(lambda answers: order.extend("m" for _ in answers))
    little = scene.pool.open(lambda answers: order.extend("l" for _ in answers))
    much.listen(windows(*range(50)))
    await scene.model.until_started()
    little.listen(windows(1))
    scene.model.release()
    await until(lambda: len(order) == 51)
    assert "l" in order[:3]


async def test_a_call_that_falls_behind_loses_its_oldest_windows(scene: Scene) -> None:
    answers: list[float | None] = []
    ear = scene.pool.open(answers.extend)
    ear.listen(windows(0))
    await scene.model.until_started()
    for mark in range(1, 101):
        ear.listen(windows(mark))
    scene.model.release()
    await until(lambda: len(answers) == 101)
    lost = 100 - MAX_QUEUED_WINDOWS
    assert answers == [0.0, *[None] * lost, *[mark / 255 for mark in range(1 + lost, 101)]]
    assert scene.counters.skipped == lost


async def test_a_fresh_start_outlives_the_window_that_carried_it(scene: Scene) -> None:
    ear = scene.pool.open(lambda _: None)
    ear.listen(windows(200))
    await scene.model.until_started()
    ear.listen(windows(*range(MAX_QUEUED_WINDOWS + 5), fresh=True))
    scene.model.release()
    await until(lambda: scene.counters.judged == MAX_QUEUED_WINDOWS + 1)
    assert 200 not in ear.memory  # type: ignore[attr-defined]


async def test_a_closed_call_hears_nothing_more(scene: Scene) -> None:
    answers: list[float | None] = []
    ear = scene.pool.open(answers.extend)
    ear.listen(windows(1, 2, 3))
    await scene.model.until_started()
    ear.close()
    ear.listen(windows(4))
    scene.model.release()
    other: list[float | None] = []
    scene.pool.open(other.extend).listen(windows(5))
    await until(lambda: bool(other))
    assert answers == []
    assert scene.counters.judged == 2


async def test_a_model_that_fails_leaves_windows_unjudged(scene: Scene) -> None:
    scene.model.fails = True
    answers: list[float | None] = []
    ear = scene.pool.open(answers.extend)
    with capture_logs() as logs:
        ear.listen(windows(1, 2))
        scene.model.release()
        await until(lambda: len(answers) == 2)
    assert answers == [None, None]
    assert {each["log_level"] for each in logs} == {"error"}


class Mute:
    """Ears that keep what they are asked and answer when the test says so."""

    def __init__(self) -> None:
        self.asked = 0
        self.answer: Callable[[Sequence[float | None]], None] = lambda _: None

    def open(self, on_probabilities: Callable[[Sequence[float | None]], None]) -> "Mute":
        self.answer = on_probabilities
        return self

    def listen(self, request: Listen) -> None:
        self.asked += len(request.windows)

    def close(self) -> None:
        pass


def test_a_model_that_does_not_answer_is_given_up_on() -> None:
    ears = Mute()
    caller = Caller(ServerVad(), ears=ears)
    caller.says(noise(30, -20))
    assert ears.asked > MAX_WAITING_WINDOWS + 100
    late = ears.asked - MAX_WAITING_WINDOWS
    ears.answer([1.0] * late)
    assert caller.heard.events == []
    ears.answer([1.0] * 2)
    assert caller.heard.names == ["started"]


class HeldQuestions:
    """An end-of-turn model that answers when the test lets it."""

    def __init__(self) -> None:
        self.may_run = threading.Event()
        self.asked: list[bytes] = []

    def is_finished(self, pcm: bytes) -> bool:
        self.asked.append(pcm)
        assert self.may_run.wait(30)
        return pcm == b"finished"


async def test_too_many_questions_are_refused_and_withdrawn_ones_not_asked() -> None:
    model, counters = HeldQuestions(), ModelCounters()
    pool = QuestionPool(model, asyncio.get_running_loop(), counters)
    answers: list[bool | None] = []
    pool.ask(b"finished", answers.append)
    await until(lambda: len(model.asked) == 1)
    withdrawn = pool.ask(b"withdrawn", answers.append)
    for _ in range(MAX_WAITING + 2):
        pool.ask(b"unfinished", answers.append)
    withdrawn.withdraw()
    await until(lambda: len(answers) == 3)
    assert answers == [None, None, None]
    model.may_run.set()
    await until(lambda: len(answers) == MAX_WAITING + 3)
    await asyncio.to_thread(pool.close)
    assert answers[3:] == [True, *[False] * (MAX_WAITING - 1)]
    assert b"withdrawn" not in model.asked
    assert (counters.skipped, counters.judged) == (3, MAX_WAITING)


def samples(collector: TurnsCollector) -> dict[str, float]:
    return {
        f"{sample.name}{''.join(f' {value}' for value in sample.labels.values())}": sample.value
        for family in collector.collect()
        for sample in family.samples
    }


async def test_without_models_loudness_serves_and_says_so(tmp_path: Path) -> None:
    for models_dir in (None, tmp_path):
        with capture_logs() as logs:
            turns = start_turns(models_dir, asyncio.get_running_loop())
        assert [each["instead"] for each in logs if each["log_level"] == "warning"] == ["energy", "silence"]
        assert (turns.speech_detector, turns.end_of_turn) == (SpeechDetector.ENERGY, EndOfTurn.SILENCE)
        heard = Recorder()
        call = turns.open(SemanticVad(), heard)
        call.audio(noise(1, -65) + speech() + noise(1, -65), media_time_us=0)
        assert heard.names == ["started", "stopped"]
        found = samples(TurnsCollector(turns))
        assert found["fabric_transceiver_turns_speech_detector energy"] == 1
        assert found["fabric_transceiver_turns_speech_detector silero"] == 0
        assert found["fabric_transceiver_turns_end_of_turn silence"] == 1
        assert found["fabric_transceiver_turns_windows_total energy"] == 284
        assert found["fabric_transceiver_turns_events_total speech_stopped"] == 1
        turns.close()


async def test_a_damaged_model_ends_the_process_with_one_line(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    (tmp_path / SILERO_FILE).write_bytes(b"\x00" * 100)
    with pytest.raises(ConfigError, match=r"silero_vad\.onnx: is damaged; `offhook models fetch` replaces it"):
        start_turns(tmp_path, asyncio.get_running_loop())


async def test_another_model_under_that_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / SILERO_FILE).symlink_to(model_file(SMART_TURN_FILE))
    with pytest.raises(ConfigError, match="takes input_features instead of input, state, sr"):
        start_turns(tmp_path, asyncio.get_running_loop())


async def test_a_call_on_the_threads_hears_the_same_turns(show: Callable[[str], None]) -> None:
    model_file(SMART_TURN_FILE)
    turns = start_turns(model_file(SILERO_FILE).parent, asyncio.get_running_loop())
    assert (turns.speech_detector, turns.end_of_turn) == (SpeechDetector.SILERO, EndOfTurn.SMART_TURN)
    silero, smart_turn = turns.counters.speech_model, turns.counters.end_of_turn_model
    heard = [Recorder() for _ in range(6)]
    calls = [turns.open(SemanticVad() if number % 2 else ServerVad(), each) for number, each in enumerate(heard)]
    audio = noise(1, -65) + speech() + noise(1, -65)
    for start in range(0, len(audio), 6400):
        for call in calls:
            call.audio(audio[start : start + 6400], media_time_us=start * 1_000_000 // 32_000)
        await until(lambda: silero.judged == silero.asked)
    await until(lambda: all(each.names == ["started", "stopped"] for each in heard))
    found = samples(TurnsCollector(turns))
    turns.close()
    assert heard[0].events == heard[2].events == heard[4].events
    assert found["fabric_transceiver_turns_judged_total silero"] > 6 * 200
    assert found["fabric_transceiver_turns_judged_total smart_turn"] >= 3
    buckets = "fabric_transceiver_turns_delay_seconds_bucket silero +Inf"
    assert found[buckets] == found["fabric_transceiver_turns_judged_total silero"]
    show(
        f"6 calls at once: {silero.judged} windows in {silero.runs} runs, {1e6 * silero.cpu_s / silero.judged:.0f} us "
        f"each; an end of turn {1e3 * smart_turn.cpu_s / smart_turn.judged:.0f} ms"
    )
