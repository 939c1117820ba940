"""`GET /v1/realtime?call_id=`: what a server beside a call hears, may do, and finds again when it comes back."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

pytest.importorskip("offhook_datapath", reason="the native module is not built here")

from offhook_worker import ServeOptions

from tests.support.event_reader import EventReader
from tests.support.http_scene import KEY, RIVAL_KEY
from tests.support.keys import CALLS, minted, place, post
from tests.support.live_caller import LiveCaller
from tests.support.openai_events import check_server_event
from tests.support.socket_scene import MODEL, Parrot, SocketClient, connected
from tests.support.webrtc_client import ClientOptions
from tests.support.whole_transceiver import WholeTransceiver, reachable_transceiver
from tests.support.worker_scene import serving
from transceiver.calls.event_feed import MAX_OBSERVERS


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[WholeTransceiver]:
    async with (
        serving(Parrot(), ServeOptions()) as (_, address),
        reachable_transceiver(tmp_path, workers=(address,)) as transceiver,
    ):
        yield transceiver


@asynccontextmanager
async def browser(house: WholeTransceiver) -> AsyncIterator[tuple[LiveCaller, EventReader]]:
    """A caller with its event channel open."""
    async with LiveCaller(house, ClientOptions(data_channel=True)) as caller:
        await caller.call(path=f"{CALLS}?model={MODEL}")
        reader = EventReader(caller)
        await reader.event("session.created")
        yield caller, reader


async def text_turn(client: SocketClient, text: str) -> str:
    """Has the model answer; the text of the answer."""
    content = [{"type": "input_text", "text": text}]
    await client.send("conversation.item.create", item={"type": "message", "role": "user", "content": content})
    await client.send("response.create", response={"output_modalities": ["text"]})
    answer: str = (await client.event("response.done"))["response"]["output"][0]["content"][0]["text"]
    return answer


@pytest.mark.realtime("GET /v1/realtime?call_id=")
async def test_both_sides_get_every_event_and_either_may_steer(house: WholeTransceiver) -> None:
    async with browser(house) as (caller, reader), connected(house, f"call_id={caller.call_id}") as server:
        created = await server.event("session.created")
        assert server.events == [created]
        assert created["session"]["model"] == MODEL
        await server.configure(instructions="Be brief.")
        assert (await reader.event("session.updated"))["session"]["instructions"] == "Be brief."
        reader.send("session.update", session={"type": "realtime", "instructions": "Be long."})
        assert (await server.event("session.updated"))["session"]["instructions"] == "Be long."
        assert await text_turn(server, "Polly") == "Polly"
        done = await reader.event("response.done")
        assert done["response"]["output"][0]["content"][0]["text"] == "Polly"
        # One who comes later is told of the session as it is now.
        async with connected(house, f"call_id={caller.call_id}") as later:
            assert (await later.event("session.created"))["session"]["instructions"] == "Be long."


async def test_what_is_wrong_with_an_event_is_told_to_its_sender_alone(house: WholeTransceiver) -> None:
    async with browser(house) as (caller, reader), connected(house, f"call_id={caller.call_id}") as server:
        await server.send("nonsense", event_id="servers")
        assert (await server.event("error"))["error"]["event_id"] == "servers"
        reader.send("nonsense", event_id="browsers")
        assert (await reader.event("error"))["error"]["event_id"] == "browsers"
        await server.append(bytes(4800))
        assert (await server.event("error"))["error"]["code"] == "invalid_event_for_transport"
        await server.configure(instructions="Be brief.")
        await reader.event("session.updated")
        assert [event["error"]["event_id"] for event in reader.events if event["type"] == "error"] == ["browsers"]


async def test_a_server_that_comes_again_misses_nothing_and_gets_nothing_twice(house: WholeTransceiver) -> None:
    async with browser(house) as (caller, _), connected(house, f"call_id={caller.call_id}") as plain:
        numbers: list[int] = []
        texts = ["one", "two", "three"]
        for text in texts:
            last = numbers[-1] if numbers else 0
            async with aiohttp.ClientSession(headers=house.headers) as session:
                url = f"{house.http}/v1/realtime?call_id={caller.call_id}&starting_after={last}"
                socket = await session.ws_connect(url)
                first = await socket.receive_json(timeout=10)
                assert first["type"] == "session.created"
                assert "sequence_number" not in first
                # The connection is here while the turn begins, and gone when it ends.
                await text_turn(plain, text)
                numbers += [(await socket.receive_json(timeout=10))["sequence_number"] for _ in range(3)]
                await session.close()
        assert numbers == list(range(1, 10))
        assert not [event for event in plain.events if "sequence_number" in event]
        async with aiohttp.ClientSession(headers=house.headers) as session:
            url = f"{house.http}/v1/realtime?call_id={caller.call_id}&starting_after=0"
            replay = await session.ws_connect(url)
            await replay.receive_json(timeout=10)
            events = [await replay.receive_json(timeout=10) for _ in plain.events[1:]]
        assert [event.pop("sequence_number") for event in events] == list(range(1, len(events) + 1))
        for event in events:
            check_server_event(event)
        assert events == plain.events[1:]


async def test_the_call_outlives_its_servers_and_they_end_with_it(house: WholeTransceiver) -> None:
    async with browser(house) as (caller, reader), connected(house, f"call_id={caller.call_id}") as staying:
        async with connected(house, f"call_id={caller.call_id}") as leaving:
            await leaving.event("session.created")
        await staying.event("session.created")
        reader.send("session.update", session={"type": "realtime", "instructions": "Still here."})
        await reader.event("session.updated")
        assert (await staying.event("session.updated"))["session"]["instructions"] == "Still here."
        assert (await post(f"{house.http}{CALLS}/{caller.call_id}/hangup"))[0] == 200
        async with asyncio.timeout(10):
            async for _ in staying.socket:
                pass
        assert staying.socket.close_code == 1000
        assert await refused(house, f"call_id={caller.call_id}") == (404, "call_id_not_found")


async def refused(house: WholeTransceiver, query: str, key: str = KEY) -> tuple[int, str]:
    """Status and code of the error that comes instead of a WebSocket."""
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Authorization": f"Bearer {key}",
    }
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{house.http}/v1/realtime?{query}", headers=upgrade) as answer,
    ):
        return answer.status, (await answer.json())["error"]["code"]


async def test_who_may_listen(house: WholeTransceiver) -> None:
    _, call_id = await place(house.http, query=f"?model={MODEL}")
    for key in (RIVAL_KEY, await minted(house.http), await minted(house.http, key=RIVAL_KEY)):
        assert await refused(house, f"call_id={call_id}", key) == (404, "call_id_not_found")
    assert await refused(house, f"call_id={call_id}", "wrong") == (401, "invalid_api_key")
    own = await minted(house.http, {"session": {"type": "realtime", "model": MODEL}})
    _, call_id = await place(house.http, key=own)
    async with connected(house, f"call_id={call_id}", headers={"Authorization": f"Bearer {own}"}) as client:
        await client.event("session.created")


async def test_a_call_without_events_has_none_to_listen_to(house: WholeTransceiver) -> None:
    _, call_id = await place(house.http, query="?model=loopback")
    assert await refused(house, f"call_id={call_id}") == (400, "unsupported_call_type")


@pytest.mark.parametrize("number", ["", "-1", "x", "1e3", "²", "1" * 20])
async def test_a_number_that_is_none(house: WholeTransceiver, number: str) -> None:
    _, call_id = await place(house.http, query=f"?model={MODEL}")
    assert await refused(house, f"call_id={call_id}&starting_after={number}") == (400, "invalid_value")


async def test_listeners_are_bounded_and_places_given_back(house: WholeTransceiver) -> None:
    _, call_id = await place(house.http, query=f"?model={MODEL}")
    async with AsyncExitStack() as stack:
        for _ in range(MAX_OBSERVERS):
            await stack.enter_async_context(connected(house, f"call_id={call_id}"))
        assert await refused(house, f"call_id={call_id}") == (409, "too_many_sidebands")
    async with connected(house, f"call_id={call_id}") as client:
        await client.event("session.created")


async def test_a_reader_that_does_not_read_harms_nobody(house: WholeTransceiver) -> None:
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x" * 60_000}]}
    async with (
        browser(house) as (caller, _),
        connected(house, f"call_id={caller.call_id}") as deaf,
        connected(house, f"call_id={caller.call_id}") as server,
    ):
        for _ in range(400):
            await server.send("conversation.item.create", item=item)
            await server.event("conversation.item.done")
        async with asyncio.timeout(10):
            async for message in deaf.socket:
                json.loads(message.data)
        assert deaf.socket.close_code in {1006, 1008}
        await server.configure(instructions="Still here.")
