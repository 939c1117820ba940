"""Random clients, legal ones and others, on real transports at once: a WebSocket, a data channel, and beside a call.

All send the same, step by step, to a model whose answers end when the test says so. Nobody crashes or hangs, every
`response.create` is answered, and all are told the same in the same order. Audio is left out: it travels otherwise on
each, and has tests of its own.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

pytest.importorskip("offhook_datapath", reason="the native module is not built here")

from offhook_worker import ServeOptions

from tests.support.client_event_strategies import ANYTHING, LEGAL, RESPONSES
from tests.support.event_clients import Event, EventClient, on_data_channel, on_socket
from tests.support.held_model import HELD, HeldModel
from tests.support.loop_thread import LoopThread
from tests.support.told_events import ToldEvents
from tests.support.whole_transceiver import WholeTransceiver, reachable_transceiver
from tests.support.worker_scene import serving

OF_AUDIO = frozenset({"input_audio_buffer.append", "output_audio_buffer.clear"})
"""Client events that are refused on one transport and not on another."""
GREETING = frozenset({"session.created", "conversation.created"})
STEP = "step_"
LEGAL_EVENTS = LEGAL.filter(lambda event: event["type"] not in OF_AUDIO)
ANY_EVENTS = ANYTHING.filter(lambda event: event["type"] not in OF_AUDIO)


class House:
    """A transceiver with the model.

    Attributes:
        run: runs what is done there.
    """

    def __init__(self, loop: LoopThread) -> None:
        self.model = HeldModel()
        self.transceiver: WholeTransceiver
        self.run = loop.run
        self._stack = AsyncExitStack()

    async def open(self, directory: Path) -> Self:
        """Begins."""
        enter = self._stack.enter_async_context
        _, address = await enter(serving(self.model, ServeOptions()))
        self.transceiver = await enter(reachable_transceiver(directory, workers=(address,)))
        return self

    async def close(self) -> None:
        """Ends."""
        await self._stack.aclose()


class Visitor:
    """One who sends, and what it was told since the last step."""

    def __init__(self, client: EventClient) -> None:
        self.client = client
        self._told = ToldEvents()
        self._seen = 0
        self.created: list[str] = []
        """Answers, in the order in which they began."""
        self.items: list[str] = []
        """Items, in the order in which they came."""

    async def step(self, event: Event, number: int) -> None:
        """Sends an event, and reads all that comes of it, until each answer that has begun waits to be released."""
        # Refused when all before it has been acted upon.
        last = {"type": "conversation.item.retrieve", "item_id": "nobody", "event_id": f"{STEP}{number}"}
        await self.client.send(event)
        await self.client.send(last)
        await self.client.read_until(lambda: self._has_ended(number) and has_begun(self.new()))

    async def see_end(self, index: int) -> None:
        """Reads until this answer is over."""
        await self.client.read_until(lambda: self.created[index] in ids_of(self.new(), "response.done"))

    def new(self) -> list[Event]:
        """What came since the last step; the greeting, and what ended the step, are not told."""
        news = self.client.events[self._seen :]
        return [each for each in news if each["type"] not in GREETING and not is_step(each)]

    def take(self) -> list[Any]:
        """The same as it compares with others', which is now seen."""
        new = self.new()
        self._seen = len(self.client.events)
        self.created += ids_of(new, "response.created")
        self.items += [each["item"]["id"] for each in new if each["type"] == "conversation.item.added"]
        return self._told.of(new)

    def _has_ended(self, number: int) -> bool:
        return any(is_step(each, number) for each in self.client.events[self._seen :])


def ids_of(events: Sequence[Event], kind: str) -> list[str]:
    """Answers of which events of this kind tell."""
    return [each["response"]["id"] for each in events if each["type"] == kind]


def has_begun(events: Sequence[Event]) -> bool:
    """Whether each answer that begins among these events has come to its first word, or to its end."""
    words = {each["response_id"] for each in events if each["type"] == "response.output_text.delta"}
    return set(ids_of(events, "response.created")) <= words | set(ids_of(events, "response.done"))


def is_step(event: Event, number: int | None = None) -> bool:
    """Whether it ends a step: this one, or any."""
    event_id = event["error"]["event_id"] if event["type"] == "error" else None
    return event_id is not None and (event_id.startswith(STEP) if number is None else event_id == f"{STEP}{number}")


class Visitors(RuleBasedStateMachine):
    """The same client three times; and a fourth, on the channel of the call that is steered from beside, listens."""

    house: House
    """Set by the test, in a class of its own: hypothesis makes the instances."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0
        self.ended: set[str] = set()
        self.stack = AsyncExitStack()
        self.house.run(self._arrive())

    async def _arrive(self) -> None:
        enter, house = self.stack.enter_async_context, self.house.transceiver
        socket, channel, listening = (
            await enter(on_socket(house, f"model={HELD}")),
            await enter(on_data_channel(house, HELD)),
            await enter(on_data_channel(house, HELD)),
        )
        beside = await enter(on_socket(house, f"call_id={listening.caller.call_id}"))
        self.visitors = [Visitor(each) for each in (socket, channel, beside)]
        self.listener = Visitor(listening)

    def _all(self, act: Callable[[Visitor], Coroutine[Any, Any, None]]) -> list[Any]:
        """All act; what each was told."""
        return self.house.run(self._act(act))

    async def _act(self, act: Callable[[Visitor], Coroutine[Any, Any, None]]) -> list[Any]:
        await asyncio.gather(*map(act, self.visitors))
        self.ended |= set(ids_of(self.visitors[0].new(), "response.done"))
        # Whoever listens is told all but what was wrong with others' events.
        expected = [each for each in self.visitors[-1].new() if each["type"] != "error"]
        await self.listener.client.read_until(lambda: len(self.listener.new()) >= len(expected))
        assert self.listener.new() == expected
        self.listener.take()
        on_socket, on_channel, beside = [each.take() for each in self.visitors]
        assert on_channel == on_socket
        assert beside == on_socket
        return on_socket

    def _send(self, event: Callable[[Visitor], Event]) -> list[Any]:
        self.steps += 1
        return self._all(lambda visitor: visitor.step(event(visitor), self.steps))

    @property
    def waiting(self) -> list[int]:
        """Answers that have not ended."""
        return [index for index, each in enumerate(self.visitors[0].created) if each not in self.ended]

    @rule(event=LEGAL_EVENTS | ANY_EVENTS)
    def sends(self, event: Event) -> None:
        told = self._send(lambda _: event)
        if event["type"] == "response.create":
            assert {"response.created", "error"} & {each["type"] for each in told}

    @rule(response=RESPONSES)
    def asks(self, response: Event) -> None:
        event_id = f"ask_{self.steps}"
        self._send(lambda _: {"type": "response.create", "response": response, "event_id": event_id})
        for visitor in self.visitors:
            answers = visitor.client.events[-8:]
            refused = [each["error"]["event_id"] for each in answers if each["type"] == "error"]
            assert event_id in refused or ids_of(answers, "response.created") == visitor.created[-1:]

    @precondition(lambda self: self.visitors[0].items)
    @rule(data=st.data(), kind=st.sampled_from(["retrieve", "delete", "truncate"]))
    def asks_for_an_item(self, data: st.DataObject, kind: str) -> None:
        index = data.draw(st.integers(0, len(self.visitors[0].items) - 1))
        place = {"content_index": 0, "audio_end_ms": 0} if kind == "truncate" else {}
        told = self._send(lambda each: {"type": f"conversation.item.{kind}", "item_id": each.items[index], **place})
        assert len(told) == 1

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def cancels(self, data: st.DataObject) -> None:
        index = data.draw(st.sampled_from(self.waiting))
        told = self._send(lambda each: {"type": "response.cancel", "response_id": each.created[index]})
        assert told[-1]["response"]["status"] == "cancelled"

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def model_finishes(self, data: st.DataObject) -> None:
        self._finish(data.draw(st.sampled_from(self.waiting)))

    def _finish(self, index: int) -> None:
        async def finish(visitor: Visitor) -> None:
            self.house.model.release(visitor.created[index])
            await visitor.see_end(index)

        told = self._all(finish)
        assert told[-1]["type"] == "response.done"

    def teardown(self) -> None:
        try:
            while self.waiting:
                self._finish(self.waiting[0])
            assert all(len(each.created) == len(self.ended) for each in self.visitors), "an answer has no end"
        finally:
            self.house.run(self.stack.aclose())


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with LoopThread() as loop:
        house = loop.run(House(loop).open(tmp_path_factory.mktemp("house")))
        yield house
        loop.run(house.close())


def test_any_client_is_survived_on_every_transport(house: House) -> None:
    bounds = settings(
        max_examples=30,
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    run_state_machine_as_test(type("VisitorsOfTheHouse", (Visitors,), {"house": house}), settings=bounds)
