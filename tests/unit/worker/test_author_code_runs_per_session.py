"""What an author's class may do, and what happens to the others when it does wrong."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import pytest
from offhook_proto.worker.v1 import worker_pb2 as pb
from offhook_worker import (
    Audio,
    Closed,
    CloseReason,
    ConfigUpdated,
    Dtmf,
    Error,
    Event,
    Flush,
    FunctionCall,
    HistoryEdited,
    ImageInput,
    InputDrop,
    InputTranscription,
    Interrupted,
    Load,
    Model,
    Output,
    Playout,
    ResponseDone,
    ResponseItem,
    ResponseRequested,
    ResponseStarted,
    Role,
    ServeOptions,
    Session,
    Text,
    TextInput,
    ToolResult,
    Transcript,
    TurnEvent,
    TurnKind,
    VoiceWorker,
    pcm,
)

from tests.support.worker_scene import FRAME_US, HandTransceiver, audio, hand_transceiver, serving, until

Script = Callable[[Session], AsyncIterator[Output]]


class Scripted(VoiceWorker):
    """Runs a test's own generator for each session, under the model `echo`."""

    models: Sequence[Model] = (Model("echo"), Model("pcm", (pcm(24_000),), (pcm(24_000),)))

    def __init__(self, script: Script) -> None:
        self.script = script
        self.sessions: list[Session] = []

    def on_session(self, session: Session) -> AsyncIterator[Output]:
        self.sessions.append(session)
        return self.script(session)


async def echo(session: Session) -> AsyncIterator[Output]:
    async for event in session:
        if isinstance(event, Audio):
            yield event


async def fail_on_text(session: Session) -> AsyncIterator[Output]:
    async for event in session:
        if isinstance(event, TextInput):
            raise LookupError("a fault of the author's, with a secret in it")  # noqa: TRY004 - not about types
        if isinstance(event, Audio):
            yield event


async def yield_nonsense(_session: Session) -> AsyncIterator[Output]:
    yield "hello"  # type: ignore[misc]  # the fault under test


async def yield_empty_audio(_session: Session) -> AsyncIterator[Output]:
    yield Audio(b"", duration_us=0)


async def yield_too_much(_session: Session) -> AsyncIterator[Output]:
    yield Audio(bytes(9 * 1024 * 1024), duration_us=FRAME_US)


def text(number: int, words: str = "hello") -> pb.SessionInput:
    return pb.SessionInput(session=number, text=pb.TextInput(item_id="item_1", role=pb.ROLE_USER, text=words))


async def expect_neighbour_alive(transceiver: HandTransceiver, number: int) -> None:
    await transceiver.send(audio(number, b"neighbour"))
    await until(lambda: bool(transceiver.of_kind("audio", session=number)))


@pytest.mark.parametrize("script", [yield_nonsense, yield_empty_audio, yield_too_much])
async def test_wrong_output_ends_its_session_with_an_error(script: Script) -> None:
    async with serving(Scripted(script)) as (server, address), hand_transceiver(address) as transceiver:
        await transceiver.open(1)
        await until(lambda: bool(transceiver.of_kind("error")))
        assert transceiver.of_kind("error")[0].error.code == "worker_exception"
        assert server.counters.sessions_failed == 1


async def test_an_exception_ends_only_its_session_and_tells_no_secrets() -> None:
    async with serving(Scripted(fail_on_text)) as (server, address), hand_transceiver(address) as transceiver:
        await transceiver.open(1)
        await transceiver.open(2)
        await transceiver.send(text(1))
        await until(lambda: bool(transceiver.of_kind("error")))
        (output,) = transceiver.of_kind("error")
        assert (output.session, output.error.fatal, output.error.code) == (1, True, "worker_exception")
        assert "secret" not in output.error.message
        await expect_neighbour_alive(transceiver, 2)
        await until(lambda: server.load_report().sessions == 1)


async def test_returning_ends_the_session_in_good_order() -> None:
    async def greet(_session: Session) -> AsyncIterator[Output]:
        yield Text("resp_1", "goodbye")

    async with serving(Scripted(greet)) as (server, address), hand_transceiver(address) as transceiver:
        await transceiver.open(1)
        await until(lambda: bool(transceiver.of_kind("end")))
        kinds = [each.WhichOneof("output") for each in transceiver.outputs]
        assert kinds == ["accept", "text", "end"]
        await until(lambda: server.load_report().sessions == 0)


async def test_every_input_becomes_its_event_in_order() -> None:
    events: list[Event] = []

    async def listen(session: Session) -> AsyncIterator[Output]:
        async for event in session:
            events.append(event)
            if isinstance(event, Dtmf):
                yield Text("r", "that was a key")

    config = pb.SessionConfig(voice="marin")
    worker = Scripted(listen)
    async with serving(worker) as (_, address), hand_transceiver(address) as transceiver:
        await transceiver.open(1)
        await transceiver.send(
            pb.SessionInput(
                session=1,
                audio=pb.AudioFrame(payload=b"a", media_time_us=5, duration_us=20_000, audio_level_plus_one=1),
            ),
            text(1),
            pb.SessionInput(
                session=1, image=pb.ImageInput(item_id="i", mime_type="image/png", data=b"p", detail="low")
            ),
            pb.SessionInput(session=1, tool_result=pb.ToolResult(item_id="i", call_id="c", output="{}")),
            pb.SessionInput(session=1, turn=pb.TurnEvent(kind=pb.TurnEvent.KIND_COMMITTED, item_id="i", end_us=9)),
            pb.SessionInput(session=1, response_request=pb.ResponseRequest(response_id="r")),
            pb.SessionInput(
                session=1,
                interruption=pb.Interruption(response_id="r", reason=pb.Interruption.REASON_TURN_DETECTED, played_us=7),
            ),
            pb.SessionInput(session=1, playout=pb.PlayoutPosition(response_id="r", played_us=8, buffered_ms=3)),
            pb.SessionInput(session=1, update=pb.SessionUpdate(config=config)),
            pb.SessionInput(session=1, history_edit=pb.HistoryEdit(delete_item_id="i")),
            pb.SessionInput(session=1, dtmf=pb.Dtmf(event="#", duration_ms=100)),
            pb.SessionInput(session=1, response_item=pb.ResponseItem(response_id="r", item_id="i", call_id="c")),
        )
        await until(lambda: len(events) == 12)
        await transceiver.send(
            pb.SessionInput(session=1, close=pb.SessionClose(reason=pb.SessionClose.REASON_API_HANGUP))
        )
        await until(lambda: len(events) == 13)
    assert events == [
        Audio(b"a", duration_us=20_000, media_time_us=5, level_dbov=0),
        TextInput("item_1", Role.USER, "hello"),
        ImageInput("i", "image/png", b"p", "low"),
        ToolResult("i", "c", "{}"),
        TurnEvent(TurnKind.COMMITTED, "i", 0, 9),
        ResponseRequested("r", pb.ResponseRequest(response_id="r")),
        Interrupted("r", 7, by_caller=True),
        Playout("r", 8, 3),
        ConfigUpdated(config),
        HistoryEdited(pb.HistoryEdit(delete_item_id="i")),
        Dtmf("#", 100),
        ResponseItem("r", "i", "c"),
        Closed(CloseReason.API_HANGUP),
    ]
    assert worker.sessions[0].config == config


async def test_every_output_is_sent_in_order() -> None:
    async def speak(_session: Session) -> AsyncIterator[Output]:
        yield ResponseStarted("r")
        yield Audio(b"pcm", duration_us=20_000, response_id="r")
        yield Text("r", "written")
        yield Transcript("r", "spoken", 20_000)
        yield InputTranscription("item_1", done=True, text="what was said", language="en")
        yield InputTranscription("item_2", failure="too noisy")
        yield FunctionCall("r", "c", "weather", "{}")
        yield TurnEvent(TurnKind.SPEECH_STARTED, start_us=1)
        yield Flush("r")
        yield Error("hiccup", "It goes on.", input_at_fault=True)
        yield ResponseDone("r", usage=pb.Usage(output_text_tokens=3), stage_latency_ms={"model": 12.5})

    async with serving(Scripted(speak)) as (_, address), hand_transceiver(address) as transceiver:
        await transceiver.open(1)
        await until(lambda: bool(transceiver.of_kind("end")))
    kinds = [each.WhichOneof("output") for each in transceiver.outputs]
    assert kinds == [
        *("accept", "response_started", "audio", "text", "transcript"),
        *("input_transcription", "input_transcription"),
        *("function_call", "turn", "flush", "error", "response_done", "end"),
    ]
    assert [each.input_transcription.error.message for each in transceiver.of_kind("input_transcription")] == [
        "",
        "too noisy",
    ]
    (error,) = transceiver.of_kind("error")
    assert (error.error.family, error.error.fatal) == (pb.SessionError.FAMILY_INVALID_REQUEST, False)
    done = transceiver.of_kind("response_done")[0].response_done
    assert done.status == pb.ResponseDone.STATUS_COMPLETED
    assert done.usage.output_text_tokens == 3
    assert done.stage_latency_ms["model"] == 12.5


async def test_code_that_never_ends_is_cancelled_after_the_call() -> None:
    cancelled = asyncio.Event()

    async def talk_for_ever(_session: Session) -> AsyncIterator[Output]:
        try:
            while True:
                yield Text("r", "and another thing")
        finally:
            cancelled.set()

    options = ServeOptions(close_grace_s=0.05)
    async with serving(Scripted(talk_for_ever), options) as (server, address), hand_transceiver(address) as transceiver:
        await transceiver.open(1)
        await until(lambda: len(transceiver.of_kind("text")) > 3)
        await transceiver.send(pb.SessionInput(session=1, close=pb.SessionClose()))
        async with asyncio.timeout(10):
            await cancelled.wait()
        await until(lambda: server.load_report().sessions == 0)


async def test_audio_waits_for_output_credit_and_a_close_frees_it() -> None:
    async def flood(_session: Session) -> AsyncIterator[Output]:
        for _ in range(1000):
            yield Audio(b"x", duration_us=20_000)

    async with serving(Scripted(flood)) as (server, address), hand_transceiver(address) as transceiver:
        await transceiver.open(1, output_credit_ms=100)
        await until(lambda: len(transceiver.of_kind("audio")) == 5)
        await transceiver.send(pb.SessionInput(session=1, credit=pb.Credit(audio_ms=40)))
        await until(lambda: len(transceiver.of_kind("audio")) == 7)
        await transceiver.send(pb.SessionInput(session=1, close=pb.SessionClose()))
        await until(lambda: server.load_report().sessions == 0)
        assert len(transceiver.of_kind("audio")) == 7
        assert server.counters.drops[InputDrop.SESSION_CLOSED] == 993


async def test_code_that_reads_nothing_is_bounded() -> None:
    async def sulk(_session: Session) -> AsyncIterator[Output]:
        await asyncio.Event().wait()
        yield Text("r", "never")

    options = ServeOptions(input_window_ms=100)
    async with serving(Scripted(sulk), options) as (server, address), hand_transceiver(address) as transceiver:
        await transceiver.open(1)
        await transceiver.send(*(audio(1) for _ in range(8)))
        await until(lambda: server.counters.drops[InputDrop.QUEUE_FULL] == 3)
        await transceiver.send(*(text(1) for _ in range(1100)))
        await until(lambda: bool(transceiver.of_kind("error")))
        assert transceiver.of_kind("error")[0].error.code == "input_queue_full"
        await until(lambda: server.load_report().sessions == 0)


async def test_a_load_that_fails_ends_nobodys_call() -> None:
    class Unmeasurable(Scripted):
        def load(self) -> Load:
            raise LookupError("no such GPU")

    async with serving(Unmeasurable(echo)) as (_, address), hand_transceiver(address) as transceiver:
        await transceiver.open(1)
        await expect_neighbour_alive(transceiver, 1)


async def test_the_authors_load_reaches_the_transceiver() -> None:
    class Measured(Scripted):
        def load(self) -> Load:
            return Load(utilization=0.25, real_time_factor=0.5)

    async with serving(Measured(echo)) as (_, address), hand_transceiver(address) as transceiver:
        await until(lambda: bool(transceiver.responses))
        load = transceiver.responses[0].load
        assert (load.utilization, load.real_time_factor) == (0.25, 0.5)


async def test_a_worker_without_models_is_refused_at_once() -> None:
    class Nothing(Scripted):
        models = ()

    with pytest.raises(ValueError, match=r"Nothing\.models"):
        async with serving(Nothing(echo)):
            pass
