"""`TurnWorker`: one method that answers, and everything around it taken care of."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from offhook_proto.worker.v1 import worker_pb2 as pb
from offhook_worker import (
    CallFunction,
    Dialogue,
    FunctionCalled,
    Item,
    Listener,
    Message,
    Model,
    Reply,
    Role,
    Speech,
    Status,
    ToolResult,
    Turn,
    TurnWorker,
    Utterance,
    Word,
    pcm,
)

from tests.support.turn_caller import TurnCaller
from tests.support.worker_scene import DEADLINE_S, hand_transceiver, serving, until

Respond = Callable[[Turn], AsyncIterator[Reply]]
SECOND = bytes(2 * 24_000)
TEXT_ONLY = pb.SessionConfig(output_modalities=[pb.MODALITY_TEXT])


class Scripted(TurnWorker):
    """Answers with a test's own generator, and transcribes by the length of what it heard."""

    models = (Model("scripted", (pcm(16_000),), (pcm(24_000),)),)

    def __init__(self, script: Respond) -> None:
        self.script = script
        self.turns: list[Turn] = []
        self.dialogues: list[Dialogue] = []

    def respond(self, turn: Turn) -> AsyncIterator[Reply]:
        self.turns.append(turn)
        return self.script(turn)

    def listen(self, dialogue: Dialogue) -> Listener:
        self.dialogues.append(dialogue)
        return Writer()


class Writer(Listener):
    """Writes down how long the turn was."""

    async def transcript(self, item_id: str, utterance: Utterance) -> str | None:
        await asyncio.sleep(0.01)
        return f"{utterance.duration_s:.2f} seconds"


@asynccontextmanager
async def calling(worker: TurnWorker, config: pb.SessionConfig | None = None) -> AsyncIterator[TurnCaller]:
    async with serving(worker) as (_, address), hand_transceiver(address) as transceiver:
        caller = TurnCaller(transceiver)
        await caller.open("scripted", config)
        yield caller


def spoken(items: tuple[Item, ...]) -> list[tuple[Role, str]]:
    return [(item.role, item.text) for item in items if isinstance(item, Message)]


async def repeat(turn: Turn) -> AsyncIterator[Reply]:
    yield Speech(bytes(100), f"You said: {turn.text}.")


async def test_a_turn_is_heard_transcribed_and_answered_under_its_id() -> None:
    worker = Scripted(repeat)
    async with calling(worker, pb.SessionConfig(transcription=pb.Transcription(model="any"))) as caller:
        await caller.speak(bytes(16_000))
        item_id = await caller.say(bytes(32_000), silence_frames=25)
        answered = await caller.answer()
        assert answered.transcript == "You said: 1.50 seconds."
        assert answered.done.status == pb.ResponseDone.STATUS_COMPLETED
        transcription = caller.transcription(item_id)
        assert transcription is not None
        assert transcription.text == "1.50 seconds"
        audio = worker.turns[0].audio
        assert audio is not None
        assert (audio.start_us, audio.end_us) == (500_000, 2_000_000)
        assert answered.done.usage.input_audio_seconds == pytest.approx(1.5)
        assert answered.done.stage_latency_ms["recognition"] >= 5
        assert "model" in answered.done.stage_latency_ms


async def test_a_transcript_that_nobody_asked_for_is_told_whole_for_the_fabric_to_keep() -> None:
    async with calling(Scripted(repeat)) as caller:
        item_id = await caller.say(bytes(32_000))
        await caller.answer()
        (told,) = caller.transceiver.of_kind("input_transcription")
        assert told.input_transcription.item_id == item_id
        assert told.input_transcription.done
        assert told.input_transcription.text


async def test_audio_is_timed_to_the_sample_and_words_come_with_their_frame() -> None:
    async def speak(_turn: Turn) -> AsyncIterator[Reply]:
        yield Speech(bytes(2 * 1000), (Word("One", 0), Word(" two", 30_000)))
        yield Speech(bytes(2 * 24_001), (Word(" three", 500_000), Word(" four", 2_000_000)))

    async with calling(Scripted(speak)) as caller:
        answered = await caller.ask("go")
    position_us = 0
    for frame in answered.frames:
        assert frame.media_time_us == position_us
        position_us += frame.duration_us
    assert position_us == 25_001 * 1_000_000 // 24_000
    assert [(word.delta, word.audio_start_us) for word in answered.words] == [
        ("One", 0),
        (" two", 30_000),
        (" three", 541_666),
        (" four", 2_041_666),
    ]
    assert answered.done.usage.output_audio_seconds == pytest.approx(25_001 / 24_000)


async def test_an_interruption_cancels_the_answer_and_leaves_what_was_heard() -> None:
    cancelled = asyncio.Event()

    async def talk(turn: Turn) -> AsyncIterator[Reply]:
        if len(turn.conversation) > 1:
            yield "again"
            return
        try:
            for number in range(100):
                yield Speech(SECOND, f" word{number}")
            await asyncio.sleep(DEADLINE_S * 2)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    worker = Scripted(talk)
    async with calling(worker) as caller:
        await caller.type("talk")
        response_id = await caller.request()
        await until(lambda: len(caller.so_far(response_id).words) == 100)
        await caller.send(interruption=pb.Interruption(response_id=response_id, played_us=2_500_000))
        answered = await caller.whole(response_id)
        assert answered.done.status == pb.ResponseDone.STATUS_CANCELLED
        await asyncio.wait_for(cancelled.wait(), DEADLINE_S)
        await caller.send(interruption=pb.Interruption(response_id=response_id, played_us=1_500_000))
        await caller.answer()
        assert spoken(worker.turns[1].conversation) == [(Role.USER, "talk"), (Role.ASSISTANT, "word0 word1")]


async def test_an_answer_that_waits_for_credit_stops_at_once() -> None:
    async def talk(_turn: Turn) -> AsyncIterator[Reply]:
        yield Speech(SECOND * 60)

    async with serving(Scripted(talk)) as (_, address), hand_transceiver(address) as transceiver:
        caller = TurnCaller(transceiver)
        await caller.open("scripted", output_credit_ms=100)
        response_id = await caller.request()
        await until(lambda: len(caller.so_far(response_id).frames) == 5)
        await caller.send(interruption=pb.Interruption(response_id=response_id))
        await caller.whole(response_id)
        await caller.send(credit=pb.Credit(audio_ms=10_000))
        second = await caller.request()
        await until(lambda: len(caller.so_far(second).frames) > 5)
        assert len(caller.so_far(response_id).frames) == 5


async def test_an_interruption_right_behind_the_request_is_heeded() -> None:
    async with calling(Scripted(repeat)) as caller:
        await caller.transceiver.send(
            pb.SessionInput(session=1, response_request=pb.ResponseRequest(response_id="r")),
            pb.SessionInput(session=1, interruption=pb.Interruption(response_id="r")),
        )
        answered = await caller.whole("r")
        assert answered.done.status == pb.ResponseDone.STATUS_CANCELLED
        assert not answered.frames


async def test_a_fault_of_the_authors_fails_the_answer_and_not_the_call() -> None:
    async def fail(turn: Turn) -> AsyncIterator[Reply]:
        if turn.text == "nonsense":
            yield 4711  # type: ignore[misc]  # the fault under test
        if turn.text == "half":
            yield Speech(b"odd")
        if turn.text == "raise":
            raise LookupError("with a secret in it")
        yield "fine"

    async with calling(Scripted(fail)) as caller:
        for fault in ("nonsense", "half", "raise"):
            answered = await caller.ask(fault)
            assert answered.done.status == pb.ResponseDone.STATUS_FAILED
            assert answered.done.error.code == "model_failed"
            assert "secret" not in answered.done.error.message
        assert (await caller.ask("well")).text == "fine"


async def test_a_caller_who_reads_gets_the_words_as_text() -> None:
    async with calling(Scripted(repeat), TEXT_ONLY) as caller:
        answered = await caller.ask("hello")
        assert (answered.text, answered.frames) == ("You said: hello.", [])


async def test_functions_are_called_and_their_results_remembered() -> None:
    async def use(turn: Turn) -> AsyncIterator[Reply]:
        if isinstance(turn.conversation[-1], ToolResult):
            yield f"It says {turn.conversation[-1].output}."
        else:
            yield CallFunction("weather", '{"city": "Paris"}')

    worker = Scripted(use)
    async with calling(worker) as caller:
        (called,) = (await caller.ask("weather?")).calls
        assert (called.name, called.arguments_delta, called.done) == ("weather", '{"city": "Paris"}', True)
        await caller.send(response_item=pb.ResponseItem(item_id="fc", call_id=called.call_id))
        await caller.send(tool_result=pb.ToolResult(item_id="out", call_id=called.call_id, output="rain"))
        assert (await caller.answer()).text == "It says rain."
        assert isinstance(worker.turns[1].conversation[1], FunctionCalled)
        assert worker.turns[1].conversation[1].item_id == "fc"


async def test_an_answer_out_of_band_leaves_no_trace_and_runs_beside_another() -> None:
    hold = asyncio.Event()

    async def answer(turn: Turn) -> AsyncIterator[Reply]:
        if not turn.out_of_band:
            await hold.wait()
        yield f"{turn.text} {dict(turn.metadata)}"

    worker = Scripted(answer)
    history = pb.HistoryItem(item_id="h", message=pb.Message(role=pb.ROLE_USER, content=[pb.Content(text="only this")]))
    async with calling(worker) as caller:
        await caller.type("hello")
        response_id = await caller.request()
        beside = await caller.answer(out_of_band=True, replace_history=True, input=[history], metadata={"a": "b"})
        assert beside.text == "only this {'a': 'b'}"
        empty = await caller.answer(out_of_band=True, replace_history=True)
        assert empty.text == " {}"
        hold.set()
        await caller.whole(response_id)
        await caller.answer()
        assert spoken(worker.turns[-1].conversation) == [(Role.USER, "hello"), (Role.ASSISTANT, "hello {}")]


async def test_the_conversation_follows_every_edit() -> None:
    async def say(_turn: Turn) -> AsyncIterator[Reply]:
        yield Speech(SECOND, (Word("one", 0), Word(" two", 500_000)))

    worker = Scripted(say)
    old = pb.HistoryItem(item_id="old", message=pb.Message(role=pb.ROLE_SYSTEM, content=[pb.Content(text="before")]))
    inserted = pb.HistoryItem(item_id="new", message=pb.Message(role=pb.ROLE_USER, content=[pb.Content(text="new")]))
    async with serving(worker) as (_, address), hand_transceiver(address) as transceiver:
        caller = TurnCaller(transceiver)
        await caller.open("scripted", history=[old])
        answered = await caller.ask("hello")
        await caller.send(response_item=pb.ResponseItem(response_id=answered.words[0].response_id, item_id="said"))
        truncate = pb.HistoryTruncate(item_id="said", audio_end_us=400_000)
        for edit in (
            pb.HistoryEdit(insert=pb.HistoryInsert(previous_item_id="old", item=inserted)),
            pb.HistoryEdit(truncate=truncate),
            pb.HistoryEdit(delete_item_id="old"),
            pb.HistoryEdit(delete_item_id="unknown"),
            pb.HistoryEdit(),
        ):
            await caller.send(history_edit=edit)
        await caller.type("first part")
        await caller.send(text=pb.TextInput(item_id="item_1_2", role=pb.ROLE_USER, text="second part"))
        await caller.answer()
    assert spoken(worker.turns[1].conversation) == [
        (Role.USER, "new"),
        (Role.USER, "hello"),
        (Role.ASSISTANT, "one"),
        (Role.USER, "first part\nsecond part"),
    ]


async def test_a_worker_speaks_unasked_once_nobody_else_does() -> None:
    hold = asyncio.Event()

    async def wait(_turn: Turn) -> AsyncIterator[Reply]:
        await hold.wait()
        yield "asked"

    async def remind(_turn: Turn) -> AsyncIterator[Reply]:
        yield "unasked"

    worker, said = Scripted(wait), asyncio.Queue[bool]()
    async with calling(worker, TEXT_ONLY) as caller:

        async def speak() -> None:
            said.put_nowait(await worker.dialogues[0].speak_unasked(remind))

        response_id = await caller.request()
        await until(lambda: bool(caller.transceiver.of_kind("response_started")))
        worker.dialogues[0].spawn(speak())
        hold.set()
        async with asyncio.timeout(DEADLINE_S):
            assert await said.get() is True
        await until(lambda: len(caller.transceiver.of_kind("response_done")) == 2)
        kinds = [(each.WhichOneof("output"), each.text.delta) for each in caller.transceiver.outputs[1:]]
        started, asked, done = "response_started", ("text", "asked"), "response_done"
        assert kinds == [(started, ""), asked, (done, ""), (started, ""), ("text", "unasked"), (done, "")]
        assert caller.transceiver.of_kind("response_started")[1].response_started.response_id != response_id


async def test_too_many_answers_at_once_are_refused() -> None:
    async def never(_turn: Turn) -> AsyncIterator[Reply]:
        await asyncio.Event().wait()
        yield ""

    async with calling(Scripted(never)) as caller:
        ids = [await caller.request(out_of_band=True) for _ in range(9)]
        refused = await caller.whole(ids[-1])
        assert (refused.done.status, refused.done.error.code) == (int(Status.FAILED), "too_many_responses")
