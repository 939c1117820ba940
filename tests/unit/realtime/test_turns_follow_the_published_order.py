"""The order of events of a turn, as section 3.4 of the API's reference has it."""

import pytest
from offhook_proto.worker.v1 import worker_pb2 as pb

from tests.support.realtime_scene import ECHO, RealtimeScene, kinds
from transceiver.realtime.effects import DetectTurns
from transceiver.realtime.transport import WEBSOCKET

COMMIT = ["input_audio_buffer.committed", "conversation.item.added", "conversation.item.done"]
BEGIN = ["response.output_item.added", "conversation.item.added", "response.content_part.added"]
END_OF_SPEECH = [
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
]


@pytest.mark.realtime("session.created", "conversation.created")
def test_a_session_opens_with_its_whole_configuration() -> None:
    scene = RealtimeScene()
    scene.session.open(scene.now)
    created, conversation = scene.run()
    assert created["type"] == "session.created"
    assert created["session"]["id"].startswith("sess_")
    assert created["session"]["model"] == "agent"
    assert created["session"]["expires_at"] == 1_800_003_600
    detection = created["session"]["audio"]["input"]["turn_detection"]
    assert (detection["create_response"], detection["interrupt_response"]) == (True, True)
    assert created["session"]["audio"]["output"]["format"] == {"type": "audio/pcm", "rate": 24000}
    assert conversation["type"] == "conversation.created"


@pytest.mark.realtime(
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
    "response.created",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_audio_transcript.delta",
    "response.output_audio.delta",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.done",
)
def test_a_spoken_turn_on_a_websocket() -> None:
    scene = RealtimeScene(transport=WEBSOCKET).open()
    events = scene.says(100_000, 900_000)
    assert kinds(events) == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        *COMMIT,
        "response.created",
    ]
    assert (events[0]["audio_start_ms"], events[1]["audio_end_ms"]) == (100, 900)
    item_id = events[0]["item_id"]
    assert [events[1]["item_id"], events[2]["item_id"], events[3]["item"]["id"]] == [item_id] * 3
    assert events[3]["item"]["content"] == [{"type": "input_audio", "transcript": None}]
    assert events[3]["item"]["status"] == "completed"

    response_id = events[5]["response"]["id"]
    assert scene.asked.response_id == response_id
    spoken = scene.speaks(response_id, "Four.", 2)
    assert kinds(spoken) == [
        *BEGIN,
        "response.output_audio_transcript.delta",
        "response.output_audio.delta",
        "response.output_audio.delta",
    ]
    assert spoken[0]["item"]["status"] == "in_progress"
    assert spoken[0]["item"]["content"] == []
    assert spoken[1]["previous_item_id"] == item_id
    assert spoken[2]["part"] == {"type": "audio", "transcript": ""}

    done = scene.finishes(response_id, usage=pb.Usage(input_audio_tokens=8, output_audio_tokens=5))
    assert kinds(done) == END_OF_SPEECH
    assert done[1]["transcript"] == "Four."
    assert done[3]["previous_item_id"] == item_id
    response = done[-1]["response"]
    assert (response["status"], response["status_details"]) == ("completed", None)
    assert response["output"][0]["content"] == [{"type": "output_audio", "transcript": "Four."}]
    assert response["usage"]["total_tokens"] == 13
    assert response["usage"]["input_token_details"]["audio_tokens"] == 8


@pytest.mark.realtime("output_audio_buffer.started", "output_audio_buffer.stopped")
def test_a_spoken_turn_on_a_data_channel_tells_of_playout_instead_of_audio() -> None:
    scene = RealtimeScene().open()
    scene.says(0, 500_000)
    response_id = scene.asked.response_id
    assert kinds(scene.speaks(response_id, "Four.", 3)) == [*BEGIN, "response.output_audio_transcript.delta"]
    started = scene.plays(response_id)
    assert [(each["type"], each["response_id"]) for each in started] == [("output_audio_buffer.started", response_id)]
    assert kinds(scene.finishes(response_id)) == END_OF_SPEECH
    assert scene.plays(response_id) == []
    assert kinds(scene.plays(response_id)) == ["output_audio_buffer.stopped"]


def test_an_answer_heard_before_it_is_done_stops_when_it_is_done() -> None:
    scene = RealtimeScene().open()
    scene.says(0, 500_000)
    response_id = scene.asked.response_id
    scene.speaks(response_id, "Four.", 1)
    scene.plays(response_id)
    assert kinds(scene.finishes(response_id))[-1] == "output_audio_buffer.stopped"


@pytest.mark.realtime("response.output_text.delta", "response.output_text.done")
def test_a_written_turn() -> None:
    scene = RealtimeScene({"output_modalities": ["text"]}).open()
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Two and two?"}]}
    assert kinds(scene.send("conversation.item.create", item=item)) == COMMIT[1:]
    assert kinds(scene.send("response.create")) == ["response.created"]
    response_id = scene.asked.response_id
    assert scene.asked.config.output_modalities == [pb.MODALITY_TEXT]
    events = scene.worker(text=pb.TextDelta(response_id=response_id, delta="Four"))
    events += scene.worker(text=pb.TextDelta(response_id=response_id, delta="."))
    assert kinds(events) == [*BEGIN, "response.output_text.delta", "response.output_text.delta"]
    done = scene.finishes(response_id)
    assert kinds(done) == [
        "response.output_text.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
    ]
    assert done[0]["text"] == "Four."
    assert done[1]["part"] == {"type": "text", "text": "Four."}


def test_a_worker_that_speaks_although_text_is_wanted_is_read_not_heard() -> None:
    scene = RealtimeScene({"output_modalities": ["text"]}).open()
    scene.send("response.create")
    events = scene.speaks(scene.asked.response_id, "Four.", 2)
    assert kinds(events) == [*BEGIN, "response.output_text.delta"]
    assert scene.discarded_us == 40_000
    assert not scene.playout


@pytest.mark.realtime("response.function_call_arguments.delta", "response.function_call_arguments.done")
def test_a_function_call_is_one_item_and_the_server_does_not_go_on() -> None:
    tool = {"type": "function", "name": "weather", "description": "d", "parameters": {"type": "object"}}
    scene = RealtimeScene({"tools": [tool]}).open()
    scene.says(0, 500_000)
    response_id = scene.asked.response_id
    events = scene.calls(response_id, "call_1", "weather", '{"city":', done=False)
    events += scene.calls(response_id, "call_1", "weather", '"Rome"}')
    assert kinds(events) == [
        "response.output_item.added",
        "conversation.item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "conversation.item.done",
        "response.output_item.done",
    ]
    assert events[1]["item"]["call_id"] == "call_1"
    assert (events[4]["name"], events[4]["arguments"]) == ("weather", '{"city":"Rome"}')
    assert events[6]["item"]["status"] == "completed"
    assert kinds(scene.finishes(response_id)) == ["response.done"]
    requests = len(scene.told("response_request"))
    output = {"type": "function_call_output", "call_id": "call_1", "output": '{"sky":"clear"}'}
    assert kinds(scene.send("conversation.item.create", item=output)) == COMMIT[1:]
    assert scene.told("tool_result")[-1].output == '{"sky":"clear"}'
    assert len(scene.told("response_request")) == requests
    assert kinds(scene.send("response.create")) == ["response.created"]


@pytest.mark.realtime("input_audio_buffer.commit", "input_audio_buffer.committed")
def test_push_to_talk_has_no_speech_events() -> None:
    scene = RealtimeScene({"audio": {"input": {"turn_detection": None}}}).open()
    scene.session.detect_turns(scene.now)
    scene.run()
    assert scene.effects[-1] == DetectTurns(None)
    scene.session.audio_received(3_000_000)
    assert kinds(scene.send("input_audio_buffer.clear")) == ["input_audio_buffer.cleared"]
    scene.session.audio_received(4_000_000)
    assert kinds(scene.send("input_audio_buffer.commit")) == COMMIT
    turns = scene.told("turn")
    assert [turn.kind for turn in turns] == [pb.TurnEvent.KIND_CLEARED, pb.TurnEvent.KIND_COMMITTED]
    assert (turns[1].start_us, turns[1].end_us) == (3_000_000, 4_000_000)
    assert kinds(scene.send("response.create")) == ["response.created"]


def test_an_empty_buffer_is_not_committed() -> None:
    scene = RealtimeScene().open()
    scene.session.audio_received(60_000)
    (error,) = scene.send("input_audio_buffer.commit", event_id="mine")
    assert error["error"]["code"] == "input_audio_buffer_commit_empty"
    assert error["error"]["event_id"] == "mine"
    assert "100ms" in error["error"]["message"]


def test_turns_without_create_response_end_with_the_item() -> None:
    scene = RealtimeScene({"audio": {"input": {"turn_detection": {"type": "server_vad", "create_response": False}}}})
    assert kinds(scene.open().says(0, 500_000))[-1] == "conversation.item.done"
    assert scene.told("response_request") == []
    assert [turn.kind for turn in scene.told("turn")] == [
        pb.TurnEvent.KIND_SPEECH_STARTED,
        pb.TurnEvent.KIND_SPEECH_STOPPED,
        pb.TurnEvent.KIND_COMMITTED,
    ]


@pytest.mark.realtime("input_audio_buffer.timeout_triggered")
def test_a_silent_caller_is_spoken_to_after_the_idle_timeout() -> None:
    scene = RealtimeScene(
        {"audio": {"input": {"turn_detection": {"type": "server_vad", "idle_timeout_ms": 6000}}}}
    ).open()
    scene.session.idle_timeout(1_000_000, 7_000_000, scene.now)
    events = scene.run()
    assert kinds(events) == ["input_audio_buffer.timeout_triggered", *COMMIT, "response.created"]
    assert (events[0]["audio_start_ms"], events[0]["audio_end_ms"]) == (1000, 7000)


def test_an_echo_detects_no_turns_unless_the_client_wants_them() -> None:
    quiet = RealtimeScene(model=ECHO).open()
    assert quiet.session.configuration.turn_detection is None
    (updated,) = quiet.send(
        "session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": {"type": "server_vad"}}}}
    )
    detection = updated["session"]["audio"]["input"]["turn_detection"]
    assert (detection["type"], detection["create_response"]) == ("server_vad", False)
    assert any(isinstance(effect, DetectTurns) for effect in quiet.effects)
    assert kinds(quiet.says(0, 500_000))[-1] == "conversation.item.done"
