"""What no good server does on demand: older dialects, turns of its own, refusals, garbage, hang-ups."""

import base64
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from offhook_proto.worker.v1 import worker_pb2 as pb
from offhook_worker import ServeOptions
from offhook_worker.bridge.faults import UpstreamFault
from offhook_worker.bridge.realtime.dialect import Dialect, dialect_of
from offhook_worker.bridge.realtime.translator import Translator
from offhook_worker.bridge.realtime.worker import RealtimeBridge
from offhook_worker.bridge.settings import RealtimeServer
from offhook_worker.model import pcm

from tests.support.bridge_scene import TRANSCRIBED, realtime_bridged
from tests.support.openai_server import tone
from tests.support.realtime_server import BETA, DUPLEX, GA, TURNS, RealtimeServerByHand, realtime_server
from tests.support.turn_caller import PCM_OUT, TurnCaller
from tests.support.worker_scene import hand_transceiver, serving, until

SECOND = tone(1.0)
CANCELLED = pb.Interruption.REASON_CLIENT_CANCELLED


def settings(server: RealtimeServerByHand, **given: object) -> RealtimeServer:
    return RealtimeServer.model_validate({"url": server.url, "model": "m", **given})


async def begin(server: RealtimeServerByHand, caller: TurnCaller, upstream_id: str = "resp_up") -> str:
    """An answer that the caller asks for and the server begins; its id."""
    asked_before = len(server.of_kind("response.create"))
    response_id = await caller.request()
    asked = await server.heard("response.create", asked_before + 1)
    metadata = asked["response"]["metadata"]
    assert metadata == {"offhook_response_id": response_id}
    await server.say("response.created", response={"id": upstream_id, "metadata": metadata})
    return response_id


async def speak(server: RealtimeServerByHand, audio: bytes, kind: str = "response.output_audio.delta") -> None:
    delta = base64.b64encode(audio).decode()
    await server.say(kind, response_id="resp_up", item_id="item_up", content_index=0, delta=delta)


def test_the_first_event_tells_the_dialect() -> None:
    assert [dialect_of(hello) for hello in (GA, BETA, TURNS, DUPLEX)] == list(Dialect)
    assert dialect_of({"type": "error"}) is None
    assert dialect_of({"type": "session.created", "session": {"id": "s", "type": "realtime"}}) is Dialect.GA


async def test_a_beta_server_is_told_and_understood_in_its_own_words() -> None:
    session = pb.SessionConfig(instructions="Be kind.", voice="verse", max_output_tokens=9)
    async with realtime_server(BETA) as server, realtime_bridged(settings(server), session) as caller:
        told = (await server.heard("session.update"))["session"]
        assert told["modalities"] == ["text", "audio"]
        assert told["input_audio_format"] == told["output_audio_format"] == "pcm16"
        assert (told["turn_detection"], told["voice"], told["max_response_output_tokens"]) == (None, "verse", 9)
        await caller.say(SECOND)
        await server.heard("input_audio_buffer.commit")
        response_id = await begin(server, caller)
        await server.say("response.audio_transcript.delta", response_id="resp_up", delta="Hello.")
        await speak(server, SECOND, "response.audio.delta")
        await server.say("response.done", response={"id": "resp_up", "status": "completed"})
        answered = await caller.whole(response_id)
    assert (answered.transcript, answered.pcm) == ("Hello.", SECOND)


async def test_the_servers_own_turns_are_the_callers() -> None:
    own = {"own_turns": True, "turn_detection": {"type": "semantic_vad"}}
    async with realtime_server(GA) as server, realtime_bridged(settings(server, **own), TRANSCRIBED) as caller:
        told = (await server.heard("session.update"))["session"]
        assert told["audio"]["input"]["turn_detection"] == {"type": "semantic_vad"}
        await caller.speak(SECOND)
        await server.heard("input_audio_buffer.append", 9)
        await server.say("input_audio_buffer.speech_started", item_id="item_u", audio_start_ms=200)
        await server.say("input_audio_buffer.speech_stopped", item_id="item_u", audio_end_ms=900)
        await server.say("input_audio_buffer.committed", item_id="item_u")
        await server.say(
            "conversation.item.input_audio_transcription.completed", item_id="item_u", transcript="Hi", usage={}
        )
        await server.say("response.created", response={"id": "resp_up"})
        await speak(server, SECOND)
        await until(lambda: len(caller.transceiver.of_kind("turn")) == 3)
        await until(lambda: len(caller.transceiver.of_kind("audio")) == 50)
        await until(lambda: caller.transcription("item_u") is not None)
    heard = b"".join(base64.b64decode(each["audio"]) for each in server.of_kind("input_audio_buffer.append"))
    assert SECOND.startswith(heard)
    turns = [each.turn for each in caller.transceiver.of_kind("turn")]
    assert [(each.kind, each.item_id, each.start_us, each.end_us) for each in turns] == [
        (pb.TurnEvent.KIND_SPEECH_STARTED, "item_u", 200_000, 0),
        (pb.TurnEvent.KIND_SPEECH_STOPPED, "item_u", 200_000, 900_000),
        (pb.TurnEvent.KIND_COMMITTED, "item_u", 200_000, 900_000),
    ]
    started = caller.transceiver.of_kind("response_started")[0].response_started.response_id
    assert {each.audio.response_id for each in caller.transceiver.of_kind("audio")} == {started}


async def test_a_model_may_hear_while_the_caller_still_speaks() -> None:
    async with realtime_server(GA) as server, realtime_bridged(settings(server)) as caller:
        await caller.speak(SECOND)
        item_id = await caller.begin_turn(start_us=500_000)
        await caller.speak(SECOND)
        await server.heard("input_audio_buffer.append", 3)
        assert not server.of_kind("input_audio_buffer.commit")
        await caller.commit(item_id, 500_000)
        await server.heard("input_audio_buffer.commit")
    heard = b"".join(base64.b64decode(each["audio"]) for each in server.of_kind("input_audio_buffer.append"))
    assert heard == SECOND[len(SECOND) // 2 :] + SECOND


async def test_an_interruption_in_the_middle_is_a_cancel_and_a_truncation() -> None:
    async with realtime_server(GA) as server, realtime_bridged(settings(server)) as caller:
        response_id = await begin(server, caller)
        await speak(server, SECOND)
        await until(lambda: len(caller.so_far(response_id).frames) == 50)
        await caller.send(interruption=pb.Interruption(response_id=response_id, reason=CANCELLED, played_us=300_000))
        assert (await server.heard("response.cancel"))["response_id"] == "resp_up"
        cut = await server.heard("conversation.item.truncate")
        assert (cut["item_id"], cut["content_index"], cut["audio_end_ms"]) == ("item_up", 0, 300)
        await speak(server, SECOND)
        # The server no longer had it: nobody is told.
        await server.say("error", error={"type": "invalid_request_error", "message": "none", "event_id": "aside"})
        await server.say("error", error={"type": "server_error", "code": "odd", "message": "Something else."})
        await until(lambda: bool(caller.transceiver.of_kind("error")))
    assert [each.error.code for each in caller.transceiver.of_kind("error")] == ["odd"]
    assert len(caller.so_far(response_id).frames) == 50


async def test_an_answer_that_is_interrupted_before_it_begins_is_cancelled_when_it_does() -> None:
    async with realtime_server(GA) as server, realtime_bridged(settings(server)) as caller:
        response_id = await caller.request()
        await server.heard("response.create")
        await caller.send(interruption=pb.Interruption(response_id=response_id, reason=CANCELLED))
        await caller.type("Something")
        await caller.request()
        await server.heard("response.create", 2)
        metadata = {"offhook_response_id": response_id}
        await server.say("response.created", response={"id": "resp_up", "metadata": metadata})
        assert (await server.heard("response.cancel"))["response_id"] == "resp_up"


async def test_a_request_that_the_server_refuses_fails_that_answer() -> None:
    async with realtime_server(GA) as server, realtime_bridged(settings(server)) as caller:
        response_id = await caller.request()
        asked = await server.heard("response.create")
        error = {"type": "invalid_request_error", "code": "no_voice", "message": "No.", "event_id": asked["event_id"]}
        await server.say("error", error=error)
        done = (await caller.whole(response_id)).done
    assert (done.status, done.error.code, done.error.message) == (pb.ResponseDone.STATUS_FAILED, "no_voice", "No.")


@pytest.mark.parametrize(
    ("response", "status"),
    [
        ({"status": "cancelled"}, pb.ResponseDone.STATUS_CANCELLED),
        (
            {"status": "incomplete", "status_details": {"reason": "max_output_tokens"}},
            pb.ResponseDone.STATUS_INCOMPLETE_MAX_TOKENS,
        ),
        (
            {"status": "incomplete", "status_details": {"reason": "content_filter"}},
            pb.ResponseDone.STATUS_INCOMPLETE_CONTENT_FILTER,
        ),
        ({"status": "failed", "status_details": {"error": {"code": "x"}}}, pb.ResponseDone.STATUS_FAILED),
        ({}, pb.ResponseDone.STATUS_FAILED),
    ],
)
async def test_answers_end_as_the_server_says(
    response: dict[str, object], status: pb.ResponseDone.Status.ValueType
) -> None:
    async with realtime_server(GA) as server, realtime_bridged(settings(server)) as caller:
        response_id = await begin(server, caller)
        usage = {"input_token_details": {"text_tokens": 5, "cached_tokens": 3}, "output_tokens": 2}
        await server.say("response.done", response={"id": "resp_up", "usage": usage, **response})
        done = (await caller.whole(response_id)).done
    assert done.status == status
    assert (done.usage.input_text_tokens, done.usage.input_cached_tokens, done.usage.output_text_tokens) == (5, 3, 2)


@pytest.mark.parametrize("raw", ["{]", "[]", '{"type": "response.created"}', '{"type": "error", "error": "no"}'])
async def test_garbage_costs_the_connection_and_not_the_call(raw: str) -> None:
    async with realtime_server(GA) as server, realtime_bridged(settings(server)) as caller:
        await caller.type("Hello")
        response_id = await begin(server, caller)
        await server.say_raw(raw)
        assert (await caller.whole(response_id)).done.error.code == "upstream_broken"
        await until(lambda: server.clients == 2)
        replayed = await server.heard("conversation.item.create")
        assert replayed["item"]["content"] == [{"type": "input_text", "text": "Hello"}]
        await begin(server, caller)


async def test_what_was_asked_and_not_begun_is_asked_again() -> None:
    async with realtime_server(GA) as server, realtime_bridged(settings(server)) as caller:
        response_id = await caller.request()
        await server.heard("response.create")
        await server.hang_up()
        await until(lambda: server.clients == 2)
        again = await server.heard("response.create")
        assert again["response"]["metadata"] == {"offhook_response_id": response_id}


async def test_a_server_that_does_not_come_back_ends_the_call_with_a_reason() -> None:
    async with realtime_server(GA) as server, realtime_bridged(settings(server, reconnect_within_s=0.5)) as caller:
        server.refusals.extend([500] * 20)
        await server.hang_up()
        await until(lambda: bool(caller.transceiver.of_kind("error")))
        error = caller.transceiver.of_kind("error")[0].error
    assert (error.code, error.fatal) == ("upstream_failed", True)


async def test_a_server_that_hangs_up_again_and_again_is_given_up() -> None:
    async with realtime_server(GA) as server, realtime_bridged(settings(server)) as caller:
        for count in range(1, 6):
            await until(lambda count=count: server.clients == count and bool(server.of_kind("session.update")))  # type: ignore[misc]
            await server.hang_up()
        await until(lambda: bool(caller.transceiver.of_kind("error")))
    assert caller.transceiver.of_kind("error")[0].error.fatal


@pytest.mark.parametrize(
    ("hello", "status"), [(GA, 401), (GA, 429), (GA, 500), (DUPLEX, 0), ("{]", 0), ({"type": "error"}, 0), (None, 0)]
)
async def test_a_call_that_the_server_does_not_take_is_refused(hello: object, status: int) -> None:
    async with realtime_server(hello) as server:
        server.refusals.extend([status] * bool(status))
        bridge = RealtimeBridge(settings(server, silence_timeout_s=0.3))
        async with serving(bridge, ServeOptions()) as (worker, address), hand_transceiver(address) as transceiver:
            await transceiver.open(1, "realtime", input_format=PCM_OUT, output_format=PCM_OUT)
            await until(lambda: bool(transceiver.of_kind("reject")))
            rejection = transceiver.of_kind("reject")[0].reject
            if status == 429:
                await until(lambda: worker.load_report().max_sessions == 0)
    assert rejection.reason == pb.SessionReject.REASON_AT_CAPACITY
    assert rejection.message.startswith("The realtime server")


async def test_the_upgrade_carries_key_model_and_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RT_KEY", "sk-secret")
    given = {"api_key_env": "RT_KEY", "headers": {"OpenAI-Beta": "realtime=v1"}}
    async with realtime_server(GA) as server, realtime_bridged(settings(server, **given)):
        pass
    assert server.queries == [{"model": "m"}]
    assert server.headers[0]["Authorization"] == "Bearer sk-secret"
    assert server.headers[0]["OpenAI-Beta"] == "realtime=v1"


async def test_a_flood_of_audio_is_bounded() -> None:
    async with realtime_server(GA) as server, realtime_bridged(settings(server), output_credit_ms=1000) as caller:
        response_id = await begin(server, caller)
        with suppress(ConnectionError):
            while server.clients == 1:
                await speak(server, SECOND * 30)
        # What is played makes room for what comes after.
        await caller.send(credit=pb.Credit(audio_ms=1000))
        answered = await caller.whole(response_id)
    assert answered.done.error.code == "upstream_broken"
    assert len(answered.frames) <= 101


KINDS = [*Translator(RealtimeServer(url="http://h/v1"), pb.SessionConfig(), (), pcm(24_000))._readers]
VALUES = st.none() | st.integers(-5, 5) | st.text(max_size=6) | st.just({"id": "r"}) | st.just(["x"])


FIELDS = st.sampled_from(["response", "item", "error", "delta", "item_id", "audio_start_ms"])


@given(st.sampled_from(KINDS), st.dictionaries(FIELDS, VALUES))
def test_any_event_of_a_server_is_understood_or_a_fault(kind: str, fields: dict[str, object]) -> None:
    translator = Translator(RealtimeServer(url="http://h/v1"), TRANSCRIBED, (), pcm(24_000))
    translator.connected(Dialect.GA)
    for event in ({"type": "response.created", "response": {"id": "r"}}, {"type": kind, "response_id": "r", **fields}):
        with suppress(UpstreamFault):
            translator.read(event)
