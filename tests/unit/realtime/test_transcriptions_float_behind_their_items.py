"""What the caller said, as text."""

import pytest
from offhook_proto.worker.v1 import worker_pb2 as pb

from tests.support.realtime_scene import RealtimeScene, kinds

WANTED = {"audio": {"input": {"transcription": {"model": "m"}}}}
DELTA = "conversation.item.input_audio_transcription.delta"
COMPLETED = "conversation.item.input_audio_transcription.completed"


def heard(scene: RealtimeScene, **fields: object) -> list[dict[str, object]]:
    """The worker tells what it heard."""
    return scene.worker(input_transcription=pb.InputTranscription(**fields))  # type: ignore[arg-type]


@pytest.mark.realtime(
    "conversation.item.input_audio_transcription.delta", "conversation.item.input_audio_transcription.completed"
)
def test_deltas_and_the_whole_with_usage() -> None:
    scene = RealtimeScene(WANTED).open()
    item_id = scene.says(0, 1_500_000)[0]["item_id"]
    events = heard(scene, item_id=item_id, delta="Two and ") + heard(scene, item_id=item_id, delta="two?")
    events += heard(scene, item_id=item_id, done=True, text="Two and two?")
    assert kinds(events) == [DELTA, DELTA, COMPLETED]
    assert events[2]["transcript"] == "Two and two?"
    assert events[2]["usage"] == {"type": "duration", "seconds": 1.5}
    assert heard(scene, item_id=item_id, delta="more") == []


def test_the_whole_alone_is_a_delta_too() -> None:
    scene = RealtimeScene(WANTED).open()
    scene.says(0, 500_000)
    assert kinds(heard(scene, done=True, text="Hello.")) == [DELTA, COMPLETED]


def test_words_heard_early_wait_for_the_item() -> None:
    scene = RealtimeScene(WANTED).open()
    item_id = scene.interrupts(100_000)[0]["item_id"]
    assert heard(scene, item_id=item_id, delta="Two") == []
    scene.session.speech_stopped(900_000, scene.now)
    events = scene.run()
    assert kinds(events)[1:5] == [
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        DELTA,
    ]


def test_unasked_transcripts_are_kept_and_not_told() -> None:
    scene = RealtimeScene().open()
    item_id = scene.says(0, 500_000)[0]["item_id"]
    assert heard(scene, item_id=item_id, done=True, text="Hello.") == []
    (retrieved,) = scene.send("conversation.item.retrieve", item_id=item_id)
    assert retrieved["item"]["content"][0]["transcript"] == "Hello."


@pytest.mark.realtime("conversation.item.input_audio_transcription.failed")
def test_failures_are_told() -> None:
    scene = RealtimeScene(WANTED).open()
    item_id = scene.says(0, 500_000)[0]["item_id"]
    (failed,) = heard(scene, item_id=item_id, error=pb.SessionError(code="too_noisy", message="Too noisy."))
    assert failed["type"] == "conversation.item.input_audio_transcription.failed"
    # The Agents SDK for JavaScript drops one with a null in it.
    assert failed["error"] == {"type": "transcription_error", "code": "too_noisy", "message": "Too noisy."}
