"""What has broken real clients of other servers, trap by trap, on each transport. Who is hurt stands with each."""

from typing import Any

import pytest
from offhook_proto.worker.v1 import worker_pb2 as pb

from tests.support.realtime_scene import RealtimeScene, kinds
from transceiver.realtime.effects import ListMcpTools
from transceiver.realtime.schema.items import McpListedTool
from transceiver.realtime.sizing import fit
from transceiver.realtime.transport import DATA_CHANNEL, WEBSOCKET, Transport

pytestmark = pytest.mark.parametrize("transport", [DATA_CHANNEL, WEBSOCKET], ids=lambda each: each.name)

TEXT = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]}
WEATHER = {"type": "function", "name": "get_weather"}


def opened(transport: Transport, **session: Any) -> RealtimeScene:  # noqa: ANN401 - JSON
    audio = {"input": {"transcription": {"model": "whisper-1"}}}
    return RealtimeScene(given={"type": "realtime", "audio": audio, **session}, transport=transport).open()


def spoken_answer(scene: RealtimeScene) -> list[dict[str, Any]]:
    """A whole turn with its transcription and an answer that calls a function as well."""
    events = scene.says(0, 1_000_000)
    words = pb.InputTranscription(item_id=scene.told("turn")[-1].item_id, text="Hello", done=True)
    events += scene.worker(input_transcription=words)
    response_id = scene.asked.response_id
    events += scene.speaks(response_id, "Good day", frames=5)
    events += scene.calls(response_id, "call_1", "get_weather", "{}")
    events += scene.finishes(response_id, usage=pb.Usage(input_text_tokens=3, output_audio_tokens=5))
    if not transport_of(scene).carries_audio:
        events += scene.plays(response_id, frames=5)
    return events


def spoken_item(events: list[dict[str, Any]]) -> dict[str, Any]:
    """The message of an answer, as it is when it is done."""
    items = (event["item"] for event in only(events, "response.output_item.done"))
    return next(item for item in items if item["type"] == "message")


def transport_of(scene: RealtimeScene) -> Transport:
    return scene.session.transport


def only(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event for event in events if event["type"] == kind]


# 1: required fields. The Agents SDKs drop or die of events without them; LiveKit reverses the history.


def test_trap_1_every_event_has_an_id(transport: Transport) -> None:
    events = spoken_answer(opened(transport, tools=[WEATHER]))
    ids = [event["event_id"] for event in events]
    assert all(ids)
    assert len(ids) == len(set(ids))


def test_trap_1_items_name_the_item_before_them(transport: Transport) -> None:
    events = spoken_answer(opened(transport, tools=[WEATHER]))
    chain: list[str] = []
    for event in only(events, "conversation.item.added"):
        assert event["previous_item_id"] == (chain[-1] if chain else None)
        chain.append(event["item"]["id"])
    assert len(chain) == 3
    (committed,) = only(events, "input_audio_buffer.committed")
    assert committed["previous_item_id"] is None


def test_trap_1_input_audio_has_a_transcript_even_if_null(transport: Transport) -> None:
    scene = opened(transport)
    added = only(scene.says(0, 1_000_000), "conversation.item.added")[0]
    assert added["item"]["content"] == [{"type": "input_audio", "transcript": None}]


@pytest.mark.parametrize("end", ["completed", "cancelled", "failed"])
def test_trap_1_usage_is_whole_however_a_response_ends(transport: Transport, end: str) -> None:
    scene = opened(transport)
    scene.send("response.create")
    response_id = scene.asked.response_id
    scene.speaks(response_id, "Good", frames=1)
    if end == "completed":
        events = scene.finishes(response_id)
    elif end == "cancelled":
        events = scene.send("response.cancel")
    else:
        events = scene.waits(40.0)
    (done,) = only(events, "response.done")
    assert done["response"]["status"] == end
    usage = done["response"]["usage"]
    assert {"total_tokens", "input_tokens", "output_tokens"} <= usage.keys()
    assert {"text_tokens", "audio_tokens", "cached_tokens_details"} <= usage["input_token_details"].keys()
    assert {"text_tokens", "audio_tokens"} <= usage["output_token_details"].keys()


def test_trap_1_a_function_call_is_named_when_its_arguments_are_done(transport: Transport) -> None:
    events = spoken_answer(opened(transport, tools=[WEATHER]))
    (done,) = only(events, "response.function_call_arguments.done")
    assert done["name"] == "get_weather"
    # An item that is "added" as completed is called twice.
    (added,) = (event for event in only(events, "response.output_item.added") if event["item"]["type"] != "message")
    assert added["item"]["status"] == "in_progress"


def test_trap_1_a_transcription_has_its_usage(transport: Transport) -> None:
    events = spoken_answer(opened(transport))
    (completed,) = only(events, "conversation.item.input_audio_transcription.completed")
    assert completed["usage"] == {"type": "duration", "seconds": 1.0}
    assert isinstance(only(events, "input_audio_buffer.speech_started")[0]["audio_start_ms"], int)


def test_trap_1_a_call_of_an_mcp_tool_has_an_output_even_if_null(transport: Transport) -> None:
    server = {"type": "mcp", "server_label": "town", "server_url": "https://x", "require_approval": "never"}
    scene = opened(transport)
    scene.send("session.update", session={"type": "realtime", "tools": [server]})
    asked = next(each for each in scene.effects if isinstance(each, ListMcpTools))
    scene.session.mcp_listed(asked.item_id, [McpListedTool(name="get_weather")], scene.now)
    scene.run()
    scene.send("response.create")
    events = scene.calls(scene.asked.response_id, "call_1", "get_weather", "{}")
    calls = [event["item"] for event in events if event.get("item", {}).get("type") == "mcp_call"]
    assert calls
    assert all(call["output"] is None for call in calls)


# 2: unknown events. Pipecat's receive loop used to end with the first one.


def test_trap_2_events_are_those_of_the_transport_and_no_others(transport: Transport) -> None:
    seen = set(kinds(spoken_answer(opened(transport, tools=[WEATHER]))))
    assert "conversation.item.created" not in seen
    on_tracks = {kind for kind in seen if kind.startswith("output_audio_buffer.")}
    assert bool(on_tracks) is not transport.carries_audio
    assert ("response.output_audio.delta" in seen) is transport.carries_audio


# 3: settings of OpenAI's models that other servers refuse.


@pytest.mark.parametrize(
    "setting",
    [
        {"audio": {"input": {"turn_detection": {"type": "semantic_vad", "model_version": "v2"}}}},
        {"audio": {"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "low"}}}},
        {"audio": {"input": {"noise_reduction": {"type": "far_field"}}}},
        {"audio": {"input": {"noise_reduction": None, "transcription": {"model": "gpt-realtime-whisper"}}}},
        {"audio": {"output": {"speed": 1.25, "voice": {"id": "voice_1"}}}},
        {"model": "gpt-realtime-2.1"},
        {"tracing": "auto"},
        {"tracing": {"workflow_name": "w", "group_id": "g", "metadata": {"a": "b"}}},
        {"tracing": None},
        {"reasoning": {"effort": "xhigh"}},
        {"truncation": {"type": "retention_ratio", "retention_ratio": 0.8}},
        {"truncation": {"type": "retention_ratio", "retention_ratio": 0.8, "token_limits": {"post_instructions": 9}}},
        {"prompt": {"id": "pmpt_1", "variables": {"city": "Paris"}}},
        {"include": ["item.input_audio_transcription.logprobs"]},
        {"max_output_tokens": "inf", "parallel_tool_calls": False},
        {"instructions": None, "tools": None, "tool_choice": None},
    ],
    ids=str,
)
def test_trap_3_settings_are_accepted_and_echoed_in_full(transport: Transport, setting: dict[str, Any]) -> None:
    scene = opened(transport)
    (updated,) = scene.send("session.update", session={"type": "realtime", **setting})
    session = updated["session"]
    assert updated["type"] == "session.updated"
    assert {"id", "object", "expires_at", "type", "model", "instructions", "tools", "audio"} <= session.keys()
    detection = session["audio"]["input"]["turn_detection"]
    assert detection["create_response"] is True
    assert detection["interrupt_response"] is True
    assert isinstance(session["audio"]["output"]["voice"], str)


def test_trap_3_what_is_newer_than_a_client_is_echoed_only_where_it_set_it(transport: Transport) -> None:
    scene = opened(transport)
    transcription = {"model": "whisper-1"}
    (updated,) = scene.send("session.update", session=_hearing(transcription=transcription))
    assert updated["session"]["audio"]["input"]["transcription"].keys() == {"model", "language", "prompt"}
    (updated,) = scene.send("session.update", session=_hearing(transcription={"keywords": ["offhook"]}))
    assert updated["session"]["audio"]["input"]["transcription"]["keywords"] == ["offhook"]


def test_trap_3_a_voice_of_ones_own_is_echoed_by_its_name(transport: Transport) -> None:
    (created,) = opened(transport).send("response.create", response={"audio": {"output": {"voice": {"id": "voice_1"}}}})
    assert created["response"]["audio"]["output"]["voice"] == "voice_1"


def _hearing(**given: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {"type": "realtime", "audio": {"input": given}}


# 4: a response.create without an answer mutes the Agents SDKs for good.


@pytest.mark.parametrize("response", [{}, None, {"instructions": None}, {"tools": 7}, {"conversation": "other"}])
@pytest.mark.realtime("response.create")
def test_trap_4_every_response_create_is_answered_by_its_event_id(transport: Transport, response: Any) -> None:  # noqa: ANN401 - JSON
    scene = opened(transport)
    for event_id in ("first", "second"):
        (event,) = scene.send("response.create", response=response, event_id=event_id)
        if event["type"] == "error":
            assert event["error"]["event_id"] == event_id
            assert "response" in event["error"]["message"].lower()
        else:
            assert event["type"] == "response.created"


# 5: errors where none is needed are fatal in Pipecat and end a Node process.


def test_trap_5_truncation_beyond_the_end_is_clamped(transport: Transport) -> None:
    scene = opened(transport)
    events = spoken_answer(scene)
    item_id = spoken_item(events)["id"]
    for _ in range(2):
        (event,) = scene.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=90_000)
        assert event["type"] == "conversation.item.truncated"
        assert event["audio_end_ms"] == 100


@pytest.mark.realtime("input_audio_buffer.clear", "input_audio_buffer.cleared")
def test_trap_5_clearing_what_does_not_play_is_no_error(transport: Transport) -> None:
    scene = opened(transport)
    assert kinds(scene.send("input_audio_buffer.clear")) == ["input_audio_buffer.cleared"]
    if not transport.carries_audio:
        assert scene.send("output_audio_buffer.clear") == []


@pytest.mark.parametrize(
    ("event", "code", "message"),
    [
        (
            {"type": "response.cancel"},
            "response_cancel_not_active",
            "Cancellation failed: no active response found",
        ),
        (
            {"type": "conversation.item.retrieve", "item_id": "rci"},
            "item_retrieve_invalid_item_id",
            "Error retrieving item",
        ),
        (
            {"type": "input_audio_buffer.commit"},
            "input_audio_buffer_commit_empty",
            "Error committing input audio buffer: buffer too small",
        ),
    ],
)
def test_trap_5_errors_are_openais_word_for_word(
    transport: Transport, event: dict[str, Any], code: str, message: str
) -> None:
    scene = opened(transport)
    scene.session.client_event({**event, "event_id": "mine"}, scene.now)
    (refused,) = scene.run()
    assert refused["error"]["code"] == code
    assert refused["error"]["message"].startswith(message)
    assert refused["error"]["event_id"] == "mine"


def test_trap_5_a_second_response_is_refused_in_openais_words(transport: Transport) -> None:
    scene = opened(transport)
    scene.send("response.create")
    (refused,) = scene.send("response.create")
    assert refused["error"]["code"] == "conversation_already_has_active_response"
    assert refused["error"]["message"].startswith("Conversation already has an active response in progress: resp_")


# 6: sizes. Chromium closes the channel on a message beyond 256 KiB, Pipecat its socket beyond 1 MiB.


def test_trap_6_events_stay_below_what_the_strictest_client_takes(transport: Transport) -> None:
    assert transport.max_event_bytes < 1024 * 1024
    scene = opened(transport)
    (updated,) = scene.send(
        "session.update", session={"type": "realtime", "instructions": "é" * transport.max_event_bytes}
    )
    assert len(fit(updated, transport.max_event_bytes).encode()) <= transport.max_event_bytes


# 8: sample rates. The Agents SDK and Pipecat fail on any but 24,000 in a session.


@pytest.mark.parametrize("rate", [8000, 16_000, 48_000])
def test_trap_8_pcm_is_24_khz_whatever_the_model_uses(transport: Transport, rate: int) -> None:
    scene = opened(transport)
    (refused,) = scene.send("session.update", session=_hearing(format={"type": "audio/pcm", "rate": rate}))
    assert refused["type"] == "error"
    (updated,) = scene.send("session.update", session=_hearing(format={"type": "audio/pcm", "rate": 24_000}))
    audio = updated["session"]["audio"]
    assert audio["input"]["format"] == audio["output"]["format"] == {"type": "audio/pcm", "rate": 24_000}


# 9: one thing under two names.


def test_trap_9_parts_are_audio_and_text_where_items_hold_output_audio_and_output_text(transport: Transport) -> None:
    scene = opened(transport)
    events = spoken_answer(scene)
    assert {event["part"]["type"] for event in events if "part" in event} == {"audio"}
    assert spoken_item(events)["content"][0]["type"] == "output_audio"
    scene.send("response.create", response={"output_modalities": ["text"]})
    events = scene.worker(text=pb.TextDelta(response_id=scene.asked.response_id, delta="Hi"))
    events += scene.finishes(scene.asked.response_id)
    assert {event["part"]["type"] for event in events if "part" in event} == {"text"}
    assert spoken_item(events)["content"][0]["type"] == "output_text"


# 10: who cuts an answer that is interrupted.


def test_trap_10_the_fabric_cuts_where_it_plays_and_the_client_where_that_plays(transport: Transport) -> None:
    scene = opened(transport)
    scene.send("response.create")
    response_id = scene.asked.response_id
    scene.speaks(response_id, "Once upon a time", frames=50)
    if not transport.carries_audio:
        scene.plays(response_id, frames=10)
    events = scene.interrupts(2_000_000)
    (done,) = only(events, "response.done")
    assert done["response"]["status_details"]["reason"] == "turn_detected"
    if transport.carries_audio:
        assert not only(events, "conversation.item.truncated")
    else:
        (cleared,) = only(events, "output_audio_buffer.cleared")
        assert cleared["response_id"] == response_id
        (truncated,) = only(events, "conversation.item.truncated")
        assert truncated["audio_end_ms"] == 200
