"""Random clients on a real WebSocket: no crash, no hang, no event outside the API, every `response.create` answered."""

from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.client_event_strategies import ANYTHING, LEGAL
from tests.support.loop_thread import LoopThread
from tests.support.socket_scene import connected, parrot_house
from tests.support.whole_transceiver import WholeTransceiver


async def _visit(transceiver: WholeTransceiver, events: list[dict[str, Any]]) -> None:
    async with connected(transceiver) as client:
        asked = []
        for number, event in enumerate(events):
            given = dict(event)
            kind = given.pop("type")
            if kind == "response.create":
                given["event_id"] = f"ask_{number}"
                asked.append(given["event_id"])
            await client.send(kind, **given)
        # The client holds every event against the SDK's models; this one comes when all before it were acted upon.
        await client.send("conversation.item.retrieve", item_id="nobody", event_id="last")
        while (await client.event("error"))["error"]["event_id"] != "last":
            pass
        created = sum(event["type"] == "response.created" for event in client.events)
        refused = [event["error"]["event_id"] for event in client.events if event["type"] == "error"]
        assert created >= len(asked) - sum(each in refused for each in asked)


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[list[dict[str, Any]]], None]]:
    """Lets one client send all this."""
    with LoopThread() as loop:
        stack = AsyncExitStack()
        house = loop.run(stack.enter_async_context(parrot_house(tmp_path_factory.mktemp("house"))))
        yield lambda events: loop.run(_visit(house, events))
        loop.run(stack.aclose())


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=st.lists(LEGAL | ANYTHING, max_size=25))
def test_any_client_is_survived(visit: Callable[[list[dict[str, Any]]], None], events: list[dict[str, Any]]) -> None:
    visit(events)
