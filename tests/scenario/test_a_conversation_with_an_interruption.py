"""A whole conversation in virtual time: question, answer, a barge-in cut to the frame, the next question."""

import itertools

import pytest

from tests.support.conversation_scene import FRAME_US, ConversationScene
from tests.support.virtual_loop import run_in_virtual_time
from transceiver.calls.answer_latency import Stage
from transceiver.session.actions import CloseReason


async def question(scene: ConversationScene) -> str:
    """The caller asks; the id of the response that is asked of the worker for it."""
    asked = len(scene.told("response_request"))
    await scene.speaks(1.0)
    await scene.is_silent(1.0)
    requests = scene.told("response_request")
    assert len(requests) == asked + 1
    response_id: str = requests[-1].response_id
    return response_id


async def conversation() -> ConversationScene:
    scene = ConversationScene({"audio": {"input": {"transcription": {"model": "m"}}}})
    await scene.is_silent(0.5)
    first = await question(scene)

    # Three seconds of answer, far faster than real time.
    scene.worker_says(first, [f"word{number} " for number in range(10)], frames_per_word=15)
    await scene.is_silent(1.2)
    heard_before = len(scene.client.left)
    assert 55 <= heard_before <= 65

    # The caller cuts in.
    await scene.speaks(0.5)
    await scene.is_silent(1.0)
    heard = [payload[0] for _, payload in scene.client.left]
    assert heard == list(range(len(heard)))
    (truncated,) = scene.client.of_kind("conversation.item.truncated")
    assert truncated["audio_end_ms"] == len(heard) * FRAME_US // 1000
    (interruption,) = scene.told("interruption")
    assert (interruption.response_id, interruption.played_us) == (first, len(heard) * FRAME_US)
    assert heard_before < len(heard) < 100, "silence came late, or never"

    # Nothing of it is heard any more, and the interrupting words are a question, too.
    second = scene.told("response_request")[-1].response_id
    assert second != first
    scene.worker_says(second, ["Sure. "], frames_per_word=10)
    await scene.is_silent(1.0)
    assert [payload[0] for _, payload in scene.client.left[len(heard) :]] == list(range(10))
    return scene


def test_a_barge_in_cuts_the_answer_to_the_frame() -> None:
    scene = run_in_virtual_time(conversation())
    kinds = [event["type"] for event in scene.client.events]
    assert kinds[0] == "session.created"
    first, second = scene.client.of_kind("response.done")
    # All of it had been generated; the caller just did not hear it.
    assert [first["response"]["status"], second["response"]["status"]] == ["completed", "completed"]
    assert kinds.index("output_audio_buffer.cleared") < kinds.index("conversation.item.truncated")
    item_id = scene.client.of_kind("conversation.item.truncated")[0]["item_id"]
    heard_us = scene.told("interruption")[0].played_us
    scene.sends("conversation.item.retrieve", item_id=item_id)
    transcript = scene.client.of_kind("conversation.item.retrieved")[0]["item"]["content"][0]["transcript"]
    whole_words = heard_us // (15 * FRAME_US)
    assert transcript.split()[:whole_words] == [f"word{number}" for number in range(whole_words)]
    assert len(transcript.split()) <= whole_words + 1
    scene.side.close(CloseReason.HANGUP)


def test_answers_leave_at_the_wire_clock() -> None:
    scene = run_in_virtual_time(conversation())
    times = [when for when, _ in scene.client.left[:50]]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert min(gaps) == pytest.approx(0.02, abs=0.001)
    assert max(gaps) == pytest.approx(0.02, abs=0.001)


def test_an_operator_sees_how_long_callers_wait() -> None:
    scene = run_in_virtual_time(conversation())
    stages = scene.latency.stages
    # A question, and an interruption that is one.
    assert sum(stages[Stage.HANGOVER].counts) == 2
    assert sum(stages[Stage.TOTAL].counts) == 2
    assert stages[Stage.HANGOVER].sum_s / 2 == pytest.approx(0.5, abs=0.1)
    parts = sum(stages[stage].sum_s for stage in (Stage.HANGOVER, Stage.WORKER, Stage.PLAYOUT))
    assert stages[Stage.TOTAL].sum_s == pytest.approx(parts)


async def cancelled_while_generating() -> ConversationScene:
    scene = ConversationScene()
    await scene.is_silent(0.5)
    await question(scene)
    await scene.speaks(0.5)
    await scene.is_silent(1.0)
    return scene


def test_a_question_taken_back_before_the_answer_is_asked_anew() -> None:
    scene = run_in_virtual_time(cancelled_while_generating())
    (done,) = scene.client.of_kind("response.done")
    assert done["response"]["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    first, second = scene.told("response_request")
    (interruption,) = scene.told("interruption")
    assert interruption.response_id == first.response_id != second.response_id
    assert interruption.played_us == 0
    assert not scene.client.left


async def push_to_talk() -> ConversationScene:
    scene = ConversationScene({"audio": {"input": {"turn_detection": None}}})
    await scene.speaks(1.0)
    scene.sends("input_audio_buffer.clear")
    await scene.speaks(1.0)
    scene.sends("input_audio_buffer.commit")
    scene.sends("response.create")
    await scene.is_silent(1.0)
    scene.worker_says(scene.told("response_request")[0].response_id, ["Yes. "], frames_per_word=3)
    await scene.is_silent(0.5)
    return scene


def test_push_to_talk_commits_what_was_said_since_the_button() -> None:
    scene = run_in_virtual_time(push_to_talk())
    assert not scene.client.of_kind("input_audio_buffer.speech_started")
    cleared, committed = scene.told("turn")
    assert (committed.start_us, committed.end_us) == (1_000_000, 2_000_000)
    assert cleared.end_us == 1_000_000
    assert scene.client.of_kind("output_audio_buffer.stopped")
    assert len(scene.client.left) == 3


async def idle_caller() -> ConversationScene:
    scene = ConversationScene({"audio": {"input": {"turn_detection": {"type": "server_vad", "idle_timeout_ms": 5000}}}})
    await scene.is_silent(0.5)
    scene.worker_says(await question(scene), ["Yes. "], frames_per_word=3)
    await scene.is_silent(7.0)
    return scene


def test_an_idle_caller_is_spoken_to() -> None:
    scene = run_in_virtual_time(idle_caller())
    (timeout,) = scene.client.of_kind("input_audio_buffer.timeout_triggered")
    assert 4900 <= timeout["audio_end_ms"] - timeout["audio_start_ms"] <= 5200
    assert len(scene.told("response_request")) == 2
