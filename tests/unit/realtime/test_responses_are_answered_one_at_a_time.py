"""`response.create`: single flight, out of band, overrides, failures; and a worker that speaks unasked."""

from typing import Any

import pytest
from offhook_proto.worker.v1 import worker_pb2 as pb

from tests.support.realtime_scene import DUPLEX, RealtimeScene, audio, kinds
from transceiver.realtime.responses import LONGEST_SILENCE_S


def test_a_second_response_is_refused_while_one_is_active() -> None:
    scene = RealtimeScene().open()
    (created,) = scene.send("response.create")
    (error,) = scene.send("response.create", event_id="second")
    assert error["error"]["code"] == "conversation_already_has_active_response"
    assert created["response"]["id"] in error["error"]["message"]
    assert error["error"]["event_id"] == "second"
    scene.finishes(created["response"]["id"])
    assert kinds(scene.send("response.create")) == ["response.created"]


@pytest.mark.realtime("response.create")
@pytest.mark.realtime("metadata of responses")
def test_overrides_hold_for_one_response() -> None:
    scene = RealtimeScene({"instructions": "Be brief."}).open()
    (created,) = scene.send(
        "response.create",
        response={
            "instructions": "Sing.",
            "output_modalities": ["text"],
            "max_output_tokens": 10,
            "metadata": {"client_event_id": "abc"},
            "tools": [{"type": "function", "name": "f"}],
            "tool_choice": "required",
            "audio": {"output": {"voice": "marin"}},
        },
    )
    response = created["response"]
    assert response["metadata"] == {"client_event_id": "abc"}
    assert (response["output_modalities"], response["max_output_tokens"]) == (["text"], 10)
    assert response["audio"]["output"]["voice"] == "marin"
    request = scene.asked
    assert (request.config.instructions, request.config.voice) == ("Sing.", "marin")
    assert (request.config.max_output_tokens, request.metadata["client_event_id"]) == (10, "abc")
    assert request.config.tools[0].name == "f"
    assert request.config.tool_choice.mode == pb.ToolChoice.MODE_REQUIRED
    assert not request.replace_history
    done = scene.finishes(response["id"])
    assert done[-1]["response"]["metadata"] == {"client_event_id": "abc"}
    scene.send("response.create", response={"instructions": None})
    assert scene.asked.config.instructions == "Be brief."


@pytest.mark.realtime("response.create")
@pytest.mark.realtime("out-of-band responses")
def test_out_of_band_responses_run_beside_and_leave_no_items() -> None:
    scene = RealtimeScene().open()
    scene.send("response.create")
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Classify this."}]}
    (created,) = scene.send(
        "response.create",
        response={"conversation": "none", "output_modalities": ["text"], "input": [item], "metadata": {"topic": "x"}},
    )
    assert created["response"]["conversation_id"] is None
    request = scene.asked
    assert (request.out_of_band, request.replace_history) == (True, True)
    assert request.input[0].message.content[0].text == "Classify this."
    events = scene.worker(text=pb.TextDelta(response_id=request.response_id, delta="billing"))
    events += scene.finishes(request.response_id)
    assert not [each for each in kinds(events) if each.startswith("conversation.")]
    assert events[-1]["response"]["output"][0]["content"] == [{"type": "output_text", "text": "billing"}]
    assert scene.session.history() == []


def test_input_may_refer_to_items_and_may_be_empty() -> None:
    scene = RealtimeScene().open()
    item = {"type": "message", "role": "user", "id": "u", "content": [{"type": "input_text", "text": "Hi."}]}
    scene.send("conversation.item.create", item=item)
    reference = {"type": "item_reference", "id": "u"}
    scene.send("response.create", response={"conversation": "none", "input": [reference]})
    assert scene.asked.input[0].message.content[0].text == "Hi."
    scene.send("response.create", response={"conversation": "none", "input": []})
    assert (len(scene.asked.input), scene.asked.replace_history) == (0, True)
    (error,) = scene.send("response.create", response={"input": [{"type": "item_reference", "id": "x"}]})
    assert error["error"]["param"] == "response.input[0].id"


@pytest.mark.parametrize(
    "response",
    [
        {"nonsense": 1},
        {"conversation": "other"},
        {"output_modalities": ["text", "audio"]},
        {"metadata": {str(number): "x" for number in range(17)}},
        {"tools": [{"type": "mcp", "server_label": "l", "server_url": "u"}]},
        {"max_output_tokens": 0},
        {"input": "text"},
    ],
)
def test_a_create_that_is_wrong_is_answered_with_its_event_id(response: dict[str, Any]) -> None:
    scene = RealtimeScene().open()
    (error,) = scene.send("response.create", event_id="mine", response=response)
    assert (error["type"], error["error"]["event_id"]) == ("error", "mine")
    assert "response.create" in error["error"]["message"]
    assert scene.told("response_request") == []


def test_failures_of_the_worker_are_told_with_a_message() -> None:
    scene = RealtimeScene().open()
    scene.send("response.create")
    fault = pb.SessionError(code="out_of_memory", message="The model ran out of memory.")
    done = scene.finishes(scene.asked.response_id, status=pb.ResponseDone.STATUS_FAILED, error=fault)
    response = done[-1]["response"]
    assert response["status"] == "failed"
    assert response["status_details"]["error"] == {
        "type": "server_error",
        "code": "out_of_memory",
        "message": "The model ran out of memory.",
    }
    assert response["usage"]["output_token_details"]["audio_tokens"] == 0


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (pb.ResponseDone.STATUS_INCOMPLETE_MAX_TOKENS, "max_output_tokens"),
        (pb.ResponseDone.STATUS_INCOMPLETE_CONTENT_FILTER, "content_filter"),
    ],
)
def test_incomplete_responses_say_why(status: "pb.ResponseDone.Status.ValueType", reason: str) -> None:
    scene = RealtimeScene().open()
    scene.send("response.create")
    scene.speaks(scene.asked.response_id, "One", 1)
    done = scene.finishes(scene.asked.response_id, status=status)[-1]["response"]
    assert (done["status"], done["status_details"]) == ("incomplete", {"type": "incomplete", "reason": reason})
    assert done["output"][0]["status"] == "incomplete"


def test_a_worker_that_never_answers_fails_the_response() -> None:
    scene = RealtimeScene().open()
    scene.send("response.create")
    due = scene.session.next_timeout()
    assert due == scene.now + LONGEST_SILENCE_S
    (done,) = scene.waits(LONGEST_SILENCE_S)
    assert done["response"]["status"] == "failed"
    assert done["response"]["status_details"]["error"]["code"] == "worker_timeout"
    assert scene.told("interruption")[-1].response_id == done["response"]["id"]
    assert kinds(scene.send("response.create")) == ["response.created"]


def test_a_greeting_is_a_response_that_nobody_asked_for() -> None:
    scene = RealtimeScene().open()
    events = scene.worker(response_started=pb.ResponseStarted(response_id="greeting"))
    events += scene.speaks("greeting", "Hello!", 1)
    events += scene.finishes("greeting")
    assert kinds(events)[:2] == ["response.created", "response.output_item.added"]
    assert kinds(events)[-1] == "response.done"
    assert kinds(scene.plays("greeting")) == ["output_audio_buffer.started", "output_audio_buffer.stopped"]


def test_a_worker_that_talks_over_its_own_answer_is_told_to_stop() -> None:
    scene = RealtimeScene().open()
    scene.send("response.create")
    assert scene.worker(response_started=pb.ResponseStarted(response_id="reminder")) == []
    assert scene.told("interruption")[-1].response_id == "reminder"
    assert scene.worker(audio=audio("reminder")) == []
    assert scene.discarded_us == 20_000


def test_a_model_with_its_own_turns_answers_unasked() -> None:
    scene = RealtimeScene(model=DUPLEX).open()
    turn = pb.TurnEvent
    events = scene.worker(turn=turn(kind=turn.KIND_SPEECH_STARTED, item_id="u1", start_us=100_000))
    events += scene.worker(turn=turn(kind=turn.KIND_SPEECH_STOPPED, item_id="u1", end_us=800_000))
    events += scene.worker(turn=turn(kind=turn.KIND_COMMITTED, item_id="u1", start_us=100_000, end_us=800_000))
    assert kinds(events) == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]
    assert scene.told("turn") == []
    assert scene.told("response_request") == []
    assert kinds(scene.speaks("r1", "Yes.", 1))[0] == "response.created"
    scene.plays("r1")
    interrupted = scene.worker(turn=turn(kind=turn.KIND_SPEECH_STARTED, item_id="u2", start_us=1_500_000))
    assert kinds(interrupted)[-3:] == ["response.done", "output_audio_buffer.stopped", "conversation.item.truncated"]
    assert scene.told("interruption")[-1].played_us == 20_000


def test_a_session_moves_to_another_worker() -> None:
    scene = RealtimeScene().open()
    scene.says(0, 500_000)
    asked = scene.asked.response_id
    scene.session.worker_lost(scene.now)
    assert scene.run() == []
    scene.inputs.clear()
    scene.session.resume(scene.now)
    scene.run()
    assert scene.asked.response_id == asked
    scene.speaks(asked, "Four", 2)
    scene.session.worker_lost(scene.now)
    (done,) = [each for each in scene.run() if each["type"] == "response.done"]
    assert done["response"]["status_details"]["error"]["code"] == "worker_lost"


def test_an_answer_that_no_worker_takes_over_has_failed() -> None:
    scene = RealtimeScene().open()
    scene.send("response.create")
    scene.send("response.create", response={"conversation": "none"})
    scene.session.worker_lost(scene.now)
    assert scene.run() == [], "another worker may still be asked"
    scene.session.given_up(scene.now)
    first, second = scene.run()
    for done in (first, second):
        assert (done["type"], done["response"]["status"]) == ("response.done", "failed")
        assert done["response"]["status_details"]["error"]["code"] == "worker_lost"


def test_an_answer_that_the_end_overtakes_is_cancelled() -> None:
    detection = {"type": "server_vad", "interrupt_response": False}
    scene = RealtimeScene({"audio": {"input": {"turn_detection": detection}}}).open()
    begun = scene.send("response.create")[0]["response"]["id"]
    scene.speaks(begun, "Four", 1)
    # A turn that is owed its answer.
    scene.says(0, 500_000)
    scene.send("response.create", response={"conversation": "none"})
    scene.session.end(scene.now)
    done = [each["response"] for each in scene.run() if each["type"] == "response.done"]
    assert [each["status"] for each in done] == ["cancelled", "cancelled"]
    assert done[0]["output"][0]["status"] == "incomplete"
    scene.session.end(scene.now)
    assert scene.run() == []


@pytest.mark.realtime("expiry of sessions")
def test_an_hour_is_the_longest_session() -> None:
    scene = RealtimeScene().open()
    (error,) = scene.waits(3600)
    assert error["error"]["code"] == "session_expired"
    assert type(scene.effects[-1]).__name__ == "EndSession"
    assert scene.waits(1) == []
