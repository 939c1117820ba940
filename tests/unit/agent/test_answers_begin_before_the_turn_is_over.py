"""In a pause the answer's first sentence is made ahead: it is used if the turn ended there, and costs nothing else."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

import pytest
from offhook_proto.worker.v1 import worker_pb2 as pb
from offhook_worker import Speech
from offhook_worker.agent.brain.rules import RuleBrain
from offhook_worker.agent.cascade import Cascade, cascade_model
from offhook_worker.agent.hearing import Drafted
from offhook_worker.agent.pool import PoolFull
from offhook_worker.dialogue import Dialogue
from offhook_worker.turn import Listener, Turn
from offhook_worker.utterance import Utterance
from offhook_worker.worker import Load

from tests.support.turn_caller import SILENCE, TurnCaller
from tests.support.worker_scene import hand_transceiver, serving, until

ITEM = "item_1_1"
AHEAD, ASKED = b"\x01\x00" * 480, b"\x02\x00" * 480


class Hears(Listener):
    """An ear that has understood what the test says."""

    def __init__(self) -> None:
        self.said = ""
        self._drafted: Drafted | None = None

    def listen(self, dialogue: Dialogue, drafted: Drafted) -> Listener:
        self._drafted = drafted
        return self

    def pauses_after(self, text: str) -> None:
        assert self._drafted is not None
        self.said = text
        self._drafted(ITEM, text)

    async def transcript(self, item_id: str, utterance: Utterance) -> str:
        return self.said

    def load(self) -> Load:
        return Load()


class Speaks:
    """A voice whose sound tells whether somebody waited for it."""

    def __init__(self) -> None:
        self.ahead: list[str] = []
        self.asked: list[str] = []
        self.is_full = False
        self.cancelled = 0
        self.hurried = asyncio.Event()
        self.is_slow = False

    async def speak(self, turn: Turn, sentence: str) -> AsyncGenerator[Speech, None]:
        self.asked.append(sentence)
        yield Speech(ASKED, sentence)

    async def speak_ahead(self, turn: Turn, sentence: str) -> Speech:
        self.ahead.append(sentence)
        if self.is_full:
            raise PoolFull
        try:
            if self.is_slow:
                await self.hurried.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return Speech(AHEAD, sentence)

    def hurry(self, turn: Turn) -> None:
        self.hurried.set()

    def load(self) -> Load:
        return Load()


class Scene:
    """A call in the middle of the caller's turn."""

    def __init__(self, caller: TurnCaller, hears: Hears, speaks: Speaks) -> None:
        self.caller = caller
        self.hears = hears
        self.speaks = speaks

    async def pause_after(self, text: str) -> None:
        made = len(self.speaks.ahead)
        self.hears.pauses_after(text)
        await until(lambda: len(self.speaks.ahead) > made)

    async def answer(self, config: pb.SessionConfig | None = None) -> bytes:
        await self.caller.commit(ITEM, 0)
        answered = await self.caller.answer(**({"config": config} if config else {}))
        assert answered.transcript == "2 plus 2 is 4."
        return answered.pcm


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    hears, speaks = Hears(), Speaks()
    cascade = Cascade((cascade_model("m", 24_000),), hears, RuleBrain(), speaks, ahead=speaks)
    async with serving(cascade) as (_, address), hand_transceiver(address) as transceiver:
        caller = TurnCaller(transceiver)
        await caller.open("m")
        assert await caller.begin_turn(0) == ITEM
        await caller.speak(SILENCE * 10)
        yield Scene(caller, hears, speaks)


async def test_a_sentence_made_in_the_pause_is_the_answer(scene: Scene) -> None:
    await scene.pause_after("What is two plus two?")
    assert await scene.answer() == AHEAD
    assert not scene.speaks.asked


async def test_who_goes_on_is_answered_to_what_was_said_in_the_end(scene: Scene) -> None:
    scene.speaks.is_slow = True
    await scene.pause_after("What is two plus twenty?")
    await scene.pause_after("What is two plus two?")
    assert await scene.answer() == AHEAD
    assert scene.speaks.ahead == ["2 plus 20 is 22.", "2 plus 2 is 4."]
    assert scene.speaks.cancelled == 1


async def test_a_sentence_under_way_is_hurried_and_waited_for(scene: Scene) -> None:
    scene.speaks.is_slow = True
    await scene.pause_after("What is two plus two?")
    assert await scene.answer() == AHEAD


async def test_an_answer_to_something_else_is_made_when_it_is_asked_for(scene: Scene) -> None:
    await scene.pause_after("What is three plus two?")
    scene.hears.said = "What is two plus two?"
    assert await scene.answer() == ASKED


async def test_another_speed_is_another_sound(scene: Scene) -> None:
    await scene.pause_after("What is two plus two?")
    assert await scene.answer(pb.SessionConfig(speed=1.5)) == ASKED


async def test_where_others_have_more_urgent_work_nothing_is_made_ahead(scene: Scene) -> None:
    scene.speaks.is_full = True
    await scene.pause_after("What is two plus two?")
    assert await scene.answer() == ASKED
