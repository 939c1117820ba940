"""Random clients on a real WebSocket: no crash, no hang, no event outside the API, every `response.create` answered."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.client_event_strategies import ANYTHING, LEGAL
from tests.support.socket_scene import connected, parrot_house
from tests.support.whole_transceiver import WholeTransceiver

ENDS_WITHIN_S = 40.0


class House:
    """A transceiver with a model, on a loop of its own: a property test has none."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._stack = AsyncExitStack()
        self._transceiver: WholeTransceiver | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self._transceiver = self._run(self._stack.enter_async_context(parrot_house(self._directory)))
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._stack.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def visited_by(self, events: list[dict[str, Any]]) -> None:
        """One client sends all this."""
        assert self._transceiver is not None
        self._run(_visit(self._transceiver, events))

    def _run(self, work: Any) -> Any:  # noqa: ANN401 - any coroutine
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(ENDS_WITHIN_S)


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
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with House(tmp_path_factory.mktemp("house")) as running:
        yield running


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=st.lists(LEGAL | ANYTHING, max_size=25))
def test_any_client_is_survived(house: House, events: list[dict[str, Any]]) -> None:
    house.visited_by(events)
