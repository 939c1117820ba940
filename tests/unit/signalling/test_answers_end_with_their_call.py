"""Whoever waits for an answer when the call or session ends is told that none will come, where it can be told."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

pytest.importorskip("offhook_datapath", reason="the native module is not built here")

from offhook_worker import ServeOptions

from tests.support.event_clients import EventClient, on_data_channel, on_socket
from tests.support.held_model import HELD, HeldModel
from tests.support.keys import CALLS, post
from tests.support.whole_transceiver import WholeTransceiver, reachable_transceiver
from tests.support.worker_scene import serving


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[WholeTransceiver]:
    async with (
        serving(HeldModel(), ServeOptions()) as (_, address),
        reachable_transceiver(tmp_path, workers=(address,), drain_s=0) as transceiver,
    ):
        yield transceiver


async def ask(client: EventClient) -> None:
    """Asks for an answer, which begins and does not end."""
    await client.send({"type": "response.create"})
    await client.read_until(lambda: "response.output_text.delta" in kinds(client))


def kinds(client: EventClient) -> list[str]:
    return [event["type"] for event in client.events]


async def cancelled(client: EventClient) -> None:
    """Returns once it has been told of the answer's end."""
    await client.read_until(lambda: "response.done" in kinds(client))
    (done,) = (event["response"] for event in client.events if event["type"] == "response.done")
    assert done["status"] == "cancelled"
    assert done["output"][0]["status"] == "incomplete"


async def test_of_a_call_that_is_hung_up(house: WholeTransceiver) -> None:
    async with (
        on_data_channel(house, HELD) as caller,
        on_socket(house, f"call_id={caller.caller.call_id}") as beside,
    ):
        await ask(caller)
        assert (await post(f"{house.http}{CALLS}/{caller.caller.call_id}/hangup"))[0] == 200
        await asyncio.gather(cancelled(caller), cancelled(beside))


async def test_of_a_call_whose_client_leaves(house: WholeTransceiver, caplog: pytest.LogCaptureFixture) -> None:
    async with (
        on_data_channel(house, HELD) as caller,
        on_socket(house, f"call_id={caller.caller.call_id}") as beside,
    ):
        await ask(caller)
        caller.caller.client.close()
        caller.caller.flush()
        await cancelled(beside)
    # What a callback raises is only logged.
    assert not [each for each in caplog.records if each.name == "asyncio"]


async def test_of_a_transceiver_that_shuts_down(house: WholeTransceiver) -> None:
    async with on_socket(house, f"model={HELD}") as client, on_data_channel(house, HELD) as caller:
        await asyncio.gather(ask(client), ask(caller))
        house.stop.set()
        await asyncio.gather(cancelled(client), cancelled(caller))
        for each in (client, caller):
            (error,) = (event["error"] for event in each.events if event["type"] == "error")
            assert error["code"] == "shutting_down"
