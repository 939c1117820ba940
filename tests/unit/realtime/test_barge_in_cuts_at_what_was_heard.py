"""Interruptions: the caller's voice, the client's buttons, and what is left of the answer afterwards."""

from typing import Any

import pytest
from offhook_proto.worker.v1 import worker_pb2 as pb

from tests.support.realtime_scene import FRAME_US, RealtimeScene, kinds
from transceiver.realtime.transport import DATA_CHANNEL, WEBSOCKET, Transport

TERMINAL = [
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
]


def answering(
    frames: int = 10, given: dict[str, Any] | None = None, transport: Transport = DATA_CHANNEL
) -> tuple[RealtimeScene, str]:
    """A session in which the model says two pieces of words over so many frames."""
    scene = RealtimeScene(given or {}, transport=transport).open()
    scene.says(0, 500_000)
    response_id = scene.asked.response_id
    scene.speaks(response_id, "One two three four five. ", frames // 2)
    scene.speaks(response_id, "Six seven eight.", frames - frames // 2, start_us=frames // 2 * FRAME_US)
    return scene, response_id


@pytest.mark.realtime("output_audio_buffer.cleared", "conversation.item.truncated")
def test_the_callers_voice_ends_the_response_the_playout_and_the_item() -> None:
    scene, response_id = answering()
    scene.plays(response_id, 6)
    events = scene.interrupts(2_000_000)
    assert kinds(events) == [
        "input_audio_buffer.speech_started",
        *TERMINAL,
        "output_audio_buffer.cleared",
        "conversation.item.truncated",
    ]
    done = events[6]["response"]
    assert done["status"] == "cancelled"
    assert done["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert done["output"][0]["status"] == "incomplete"
    assert done["usage"]["total_tokens"] == 0
    assert events[7]["response_id"] == response_id
    assert events[8]["audio_end_ms"] == 120
    item_id = events[8]["item_id"]
    (retrieved,) = scene.send("conversation.item.retrieve", item_id=item_id)
    # Six of ten frames: the first piece whole, of the second a fifth of its length.
    assert retrieved["item"]["content"][0]["transcript"] == "One two three four five. Six"
    (interruption,) = scene.told("interruption")
    assert interruption.response_id == response_id
    assert interruption.played_us == 120_000
    assert interruption.reason == pb.Interruption.REASON_TURN_DETECTED


def test_an_answer_that_is_done_but_still_heard_is_cut_as_well() -> None:
    scene, response_id = answering()
    scene.finishes(response_id)
    scene.plays(response_id, 2)
    events = scene.interrupts(2_000_000)
    assert kinds(events) == [
        "input_audio_buffer.speech_started",
        "output_audio_buffer.cleared",
        "conversation.item.truncated",
    ]
    assert events[2]["audio_end_ms"] == 40
    (retrieved,) = scene.send("conversation.item.retrieve", item_id=events[2]["item_id"])
    assert retrieved["item"]["content"][0]["transcript"] == "One two"
    assert scene.told("interruption")[-1].played_us == 40_000


def test_nothing_heard_leaves_nothing_said() -> None:
    scene, _ = answering()
    truncated = scene.interrupts(2_000_000)[-1]
    assert truncated["audio_end_ms"] == 0
    (retrieved,) = scene.send("conversation.item.retrieve", item_id=truncated["item_id"])
    assert retrieved["item"]["content"][0]["transcript"] == ""


def test_an_interrupted_model_that_goes_on_speaking_is_not_heard() -> None:
    scene, response_id = answering()
    scene.interrupts(2_000_000)
    assert scene.speaks(response_id, "and another thing", 2) == []
    assert scene.discarded_us == 2 * FRAME_US
    assert scene.finishes(response_id) == []


def test_a_thinking_model_is_interrupted_before_its_first_word() -> None:
    scene = RealtimeScene().open()
    scene.says(0, 500_000)
    events = scene.interrupts(900_000)
    assert kinds(events) == ["input_audio_buffer.speech_started", "response.done"]
    assert events[1]["response"]["output"] == []
    assert scene.told("interruption")[-1].played_us == 0
    assert kinds(scene.says(900_000, 1_500_000))[-1] == "response.created"


def test_interrupt_response_false_lets_the_answer_finish_and_the_next_one_follow() -> None:
    detection = {"type": "server_vad", "interrupt_response": False}
    scene, response_id = answering(given={"audio": {"input": {"turn_detection": detection}}})
    requests = len(scene.told("response_request"))
    assert "response.created" not in kinds(scene.says(2_000_000, 3_000_000))
    assert len(scene.told("response_request")) == requests
    assert kinds(scene.finishes(response_id))[-1] == "response.created"
    assert len(scene.told("response_request")) == requests + 1


@pytest.mark.realtime("response.cancel", "output_audio_buffer.clear")
def test_a_clients_stop_is_a_cancel_and_a_clear() -> None:
    scene, response_id = answering()
    scene.plays(response_id, 3)
    cancelled = scene.send("response.cancel")
    assert kinds(cancelled) == TERMINAL
    assert cancelled[-1]["response"]["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
    cleared = scene.send("output_audio_buffer.clear")
    assert kinds(cleared) == ["output_audio_buffer.cleared", "conversation.item.truncated"]
    assert cleared[1]["audio_end_ms"] == 60
    assert [each.played_us for each in scene.told("interruption")] == [200_000, 60_000]


def test_a_cancelled_answer_is_heard_as_far_as_it_was_generated() -> None:
    scene, response_id = answering()
    scene.plays(response_id, 3)
    scene.send("response.cancel")
    assert kinds(scene.plays(response_id, 7)) == ["output_audio_buffer.stopped"]


def test_clearing_with_nothing_playing_is_no_error() -> None:
    assert RealtimeScene().open().send("output_audio_buffer.clear") == []


def test_clear_during_a_response_ends_the_response_too() -> None:
    scene, response_id = answering()
    scene.plays(response_id)
    assert kinds(scene.send("output_audio_buffer.clear")) == [
        *TERMINAL,
        "output_audio_buffer.cleared",
        "conversation.item.truncated",
    ]


def test_cancelling_nothing_says_so_in_openais_words() -> None:
    (error,) = RealtimeScene().open().send("response.cancel", event_id="e1")
    assert error["error"]["code"] == "response_cancel_not_active"
    assert error["error"]["message"].startswith("Cancellation failed")
    assert error["error"]["event_id"] == "e1"


@pytest.mark.realtime("conversation.item.truncate", "conversation.item.truncated")
def test_on_a_websocket_the_client_truncates() -> None:
    scene, response_id = answering(transport=WEBSOCKET)
    events = scene.interrupts(2_000_000)
    assert kinds(events) == ["input_audio_buffer.speech_started", *TERMINAL]
    item_id = events[-1]["response"]["output"][0]["id"]
    (truncated,) = scene.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=120)
    assert (truncated["type"], truncated["audio_end_ms"]) == ("conversation.item.truncated", 120)
    (edit,) = scene.told("history_edit")
    assert (edit.truncate.item_id, edit.truncate.audio_end_us) == (item_id, 120_000)
    assert scene.told("response_item")[0].item_id == item_id
    assert scene.told("response_item")[0].response_id == response_id


def test_truncation_beyond_the_end_is_clamped() -> None:
    scene, response_id = answering(transport=WEBSOCKET)
    done = scene.finishes(response_id)
    item_id = done[-1]["response"]["output"][0]["id"]
    (truncated,) = scene.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=99_000)
    assert (truncated["type"], truncated["audio_end_ms"]) == ("conversation.item.truncated", 200)
    (retrieved,) = scene.send("conversation.item.retrieve", item_id=item_id)
    assert retrieved["item"]["content"][0]["transcript"] == "One two three four five. Six seven eight."


def test_only_model_audio_is_truncated() -> None:
    scene = RealtimeScene().open()
    item_id = scene.says(0, 500_000)[0]["item_id"]
    (error,) = scene.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=1)
    assert error["error"]["code"] == "unsupported_content_type"
    (error,) = scene.send("conversation.item.truncate", item_id="nope", content_index=0, audio_end_ms=1)
    assert error["error"]["code"] == "item_truncate_invalid_item_id"


def test_a_worker_takes_back_what_was_not_heard_and_goes_on() -> None:
    scene, response_id = answering()
    scene.plays(response_id, 4)
    events = scene.worker(flush=pb.Flush(response_id=response_id))
    assert kinds(events) == ["output_audio_buffer.cleared"]
    assert scene.told("interruption") == []
    scene.speaks(response_id, " Better so.", 1, start_us=4 * FRAME_US)
    assert kinds(scene.plays(response_id)) == ["output_audio_buffer.started"]
    assert scene.finishes(response_id)[1]["transcript"] == "One two three four Better so."
