"""`session.update`: what is merged, what clears, what is refused, and what is echoed."""

from typing import Any

import pytest
from google.protobuf import json_format
from offhook_proto.worker.v1 import worker_pb2 as pb

from tests.support.realtime_scene import RealtimeScene, kinds
from transceiver.realtime.effects import DetectTurns
from transceiver.realtime.errors import EventError
from transceiver.realtime.transport import WEBSOCKET


def update(scene: RealtimeScene, **session: object) -> dict[str, Any]:
    """Sends a session.update; the one event that answers it."""
    (event,) = scene.send("session.update", event_id="upd", session={"type": "realtime", **session})
    return event


def refused(scene: RealtimeScene, **session: object) -> dict[str, Any]:
    """The error that answers an update, which changed nothing."""
    before = scene.session.configuration.as_json()
    event = update(scene, **session)
    assert event["type"] == "error", event
    assert event["error"]["event_id"] == "upd"
    assert scene.session.configuration.as_json() == before
    assert scene.told("update") == []
    error: dict[str, Any] = event["error"]
    return error


@pytest.mark.realtime("session.update", "session.updated")
def test_present_fields_are_merged_and_the_whole_is_echoed() -> None:
    scene = RealtimeScene({"instructions": "Be brief.", "audio": {"output": {"voice": "marin"}}}).open()
    session = update(scene, audio={"output": {"speed": 1.2}}, max_output_tokens=100)["session"]
    assert session["instructions"] == "Be brief."
    assert session["audio"]["output"]["voice"] == "marin"
    assert (session["audio"]["output"]["speed"], session["max_output_tokens"]) == (1.2, 100)
    config = scene.told("update")[-1].config
    assert (config.instructions, config.voice, config.max_output_tokens) == ("Be brief.", "marin", 100)


def test_what_the_client_leaves_open_is_the_workers_choice() -> None:
    config = RealtimeScene().session.worker_config()
    assert not config.HasField("voice")
    assert not config.HasField("instructions")
    assert not config.HasField("speed")


def test_null_switches_off_and_brings_back_defaults() -> None:
    scene = RealtimeScene(
        {"audio": {"input": {"transcription": {"model": "whisper-1"}}}, "max_output_tokens": 5, "tools": []}
    ).open()
    heard = {"turn_detection": None, "transcription": None, "noise_reduction": None}
    session = update(scene, audio={"input": heard}, tracing=None, max_output_tokens=None, prompt=None, tools=None)
    assert {name: session["session"]["audio"]["input"][name] for name in heard} == heard
    assert session["session"]["max_output_tokens"] == "inf"
    assert session["session"]["tools"] == []
    assert DetectTurns(None) in scene.effects


def test_an_empty_string_and_an_empty_list_clear() -> None:
    tool = {"type": "function", "name": "f", "parameters": {}}
    scene = RealtimeScene({"instructions": "x", "tools": [tool]}).open()
    session = update(scene, instructions="", tools=[])["session"]
    assert (session["instructions"], session["tools"]) == ("", [])


def test_turn_detection_of_the_same_kind_is_merged_and_of_another_replaced() -> None:
    scene = RealtimeScene({"audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 0.7}}}}).open()
    merged = update(scene, audio={"input": {"turn_detection": {"type": "server_vad", "silence_duration_ms": 200}}})
    detection = merged["session"]["audio"]["input"]["turn_detection"]
    assert (detection["threshold"], detection["silence_duration_ms"]) == (0.7, 200)
    replaced = update(scene, audio={"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "low"}}})
    assert replaced["session"]["audio"]["input"]["turn_detection"] == {
        "type": "semantic_vad",
        "eagerness": "low",
        "create_response": True,
        "interrupt_response": True,
    }


def test_what_clients_send_and_the_fabric_has_no_use_for_is_accepted() -> None:
    session = update(
        RealtimeScene().open(),
        model="gpt-realtime-2.1",
        tracing={"workflow_name": "w", "group_id": "g", "metadata": {"a": 1}},
        truncation={"type": "retention_ratio", "retention_ratio": 0.8, "token_limits": {"post_instructions": 5000}},
        reasoning={"effort": "low"},
        parallel_tool_calls=True,
        include=["item.input_audio_transcription.logprobs"],
        prompt={"id": "pmpt_1", "version": "2", "variables": {"name": "x"}},
        audio={
            "input": {
                "noise_reduction": {"type": "near_field", "strength": 0.5},
                "transcription": {"model": "gpt-realtime-whisper", "delay": "low", "language": "en"},
                "turn_detection": {"type": "semantic_vad", "model_version": "x"},
            },
            "output": {"voice": {"id": "voice_1"}, "speed": 1},
        },
    )["session"]
    assert session["model"] == "agent"
    assert session["audio"]["output"]["voice"] == "voice_1"
    assert session["tracing"]["group_id"] == "g"


def test_the_worker_gets_the_rest_as_the_client_wrote_it() -> None:
    scene = RealtimeScene().open()
    update(scene, reasoning={"effort": "high"}, audio={"input": {"transcription": {"model": "m", "language": "de"}}})
    config = scene.told("update")[-1].config
    assert (config.transcription.model, config.transcription.language) == ("m", "de")
    assert json_format.MessageToDict(config.extra)["reasoning"] == {"effort": "high"}


def test_tools_reach_the_worker_with_their_schema() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    scene = RealtimeScene().open()
    tool = {"type": "function", "name": "weather", "description": "Weather.", "parameters": schema}
    update(scene, tools=[tool], tool_choice={"type": "function", "name": "weather"})
    config = scene.told("update")[-1].config
    assert config.tools[0].name == "weather"
    assert '"city"' in config.tools[0].parameters_json
    assert (config.tool_choice.mode, config.tool_choice.name) == (pb.ToolChoice.MODE_FUNCTION, "weather")


@pytest.mark.parametrize(
    ("session", "code", "param"),
    [
        ({"nonsense": 1}, "unknown_parameter", "session.nonsense"),
        ({"audio": {"input": {"x": 1}}}, "unknown_parameter", "session.audio.input.x"),
        ({"modalities": ["text"]}, "unknown_parameter", "session.modalities"),
        ({"output_modalities": ["text", "audio"]}, "invalid_value", "session.output_modalities"),
        ({"output_modalities": ["video"]}, "invalid_value", "session.output_modalities[0]"),
        ({"instructions": 7}, "invalid_type", "session.instructions"),
        ({"audio": "loud"}, "invalid_type", "session.audio"),
        ({"audio": {"output": {"speed": 2}}}, "integer_above_max_value", "session.audio.output.speed"),
        ({"audio": {"output": {"speed": 0.1}}}, "decimal_below_min_value", "session.audio.output.speed"),
        ({"audio": {"input": {"format": {"type": "audio/opus"}}}}, "invalid_value", "session.audio.input.format.type"),
        (
            {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 16000}}}},
            "invalid_value",
            "session.audio.input.format.rate",
        ),
        (
            {"audio": {"input": {"turn_detection": {"type": "server_vad", "idle_timeout_ms": 10}}}},
            "integer_below_min_value",
            "session.audio.input.turn_detection.idle_timeout_ms",
        ),
        (
            {"audio": {"input": {"turn_detection": {"type": "psychic"}}}},
            "invalid_value",
            "session.audio.input.turn_detection.type",
        ),
        (
            {"tools": [{"type": "mcp", "server_label": "x", "server_url": "y"}]},
            "invalid_value",
            "session.tools[0].server_url",
        ),
        (
            {"tools": [{"type": "mcp", "server_label": "x", "connector_id": "connector_gmail"}]},
            "missing_required_parameter",
            "session.tools[0].server_url",
        ),
        ({"tools": [{"type": "function"}]}, "missing_required_parameter", "session.tools[0].name"),
        ({"tool_choice": "maybe"}, "invalid_value", "session.tool_choice"),
        ({"max_output_tokens": 5000}, "integer_above_max_value", "session.max_output_tokens"),
        ({"max_output_tokens": True}, "invalid_type", "session.max_output_tokens"),
        ({"model": 3}, "invalid_type", "session.model"),
        ({"instructions": "\ud800"}, "invalid_value", None),
    ],
)
@pytest.mark.realtime("error")
def test_what_is_wrong_is_refused_with_its_place(session: dict[str, Any], code: str, param: str | None) -> None:
    error = refused(RealtimeScene().open(), **session)
    assert error["code"] == code, error
    if param is not None:
        assert error["param"] == param, error


def test_the_type_is_required_and_cannot_change() -> None:
    scene = RealtimeScene().open()
    (missing,) = scene.send("session.update", session={"instructions": "x"})
    assert missing["error"]["param"] == "session.type"
    (other,) = scene.send("session.update", session={"type": "transcription"})
    assert "not allowed" in other["error"]["message"]


def test_the_voice_is_fixed_once_the_model_was_heard() -> None:
    scene = RealtimeScene({"audio": {"output": {"voice": "marin"}}}, transport=WEBSOCKET).open()
    scene.send("response.create")
    scene.speaks(scene.asked.response_id, "Hello.", 1)
    assert update(scene, audio={"output": {"voice": "marin"}})["type"] == "session.updated"
    scene.inputs.clear()
    assert refused(scene, audio={"output": {"voice": "cedar"}})["code"] == "cannot_update_voice"


@pytest.mark.realtime("transcription sessions")
def test_a_transcription_session_has_no_answers() -> None:
    scene = RealtimeScene({"type": "transcription", "audio": {"input": {"transcription": {"model": "m"}}}})
    scene.session.open(scene.now)
    created = scene.run()[0]["session"]
    assert (created["object"], created["type"]) == ("realtime.transcription_session", "transcription")
    assert kinds(scene.says(0, 500_000))[-1] == "conversation.item.done"
    (error,) = scene.send("response.create", event_id="e")
    assert error["error"]["event_id"] == "e"
    (updated,) = scene.send(
        "session.update", session={"type": "transcription", "audio": {"input": {"turn_detection": None}}}
    )
    assert updated["session"]["audio"]["input"]["turn_detection"] is None


@pytest.mark.parametrize("given", [{"type": "translation"}, {"type": 5}, {"audio": {"output": {"speed": "fast"}}}])
def test_a_session_object_that_comes_with_the_call_is_checked_alike(given: dict[str, Any]) -> None:
    with pytest.raises(EventError):
        RealtimeScene(given)
