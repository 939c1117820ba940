"""SIGKILL of the transceiver that passes a server's connection on: the server comes again and has missed nothing."""

import aiohttp
import pytest

from tests.support.event_reader import EventReader
from tests.support.fabric import running_fabric
from tests.support.live_caller import LiveCaller
from tests.support.webrtc_client import ClientOptions


async def test_a_server_that_lost_its_way_in_finds_another_and_has_missed_nothing() -> None:
    with running_fabric("--relays", "1", "--transceivers", "2", "--workers", "1") as fabric:
        owner, way_in = fabric.processes("transceiver")
        async with LiveCaller(fabric, ClientOptions(data_channel=True)) as caller, aiohttp.ClientSession() as session:
            await caller.call(base_url=owner["http"])
            reader = EventReader(caller)
            await reader.event("session.created")
            query = f"/v1/realtime?call_id={caller.call_id}&starting_after="
            socket = await session.ws_connect(f"{way_in['http']}{query}0", headers=fabric.headers)
            assert (await socket.receive_json(timeout=20))["type"] == "session.created"

            async def configured(instructions: str) -> None:
                reader.send("session.update", session={"type": "realtime", "instructions": instructions})
                assert (await reader.event("session.updated"))["session"]["instructions"] == instructions

            await configured("one")
            assert (await socket.receive_json(timeout=20))["sequence_number"] == 1
            fabric.kill(way_in)
            with pytest.raises((aiohttp.ClientError, aiohttp.WSMessageTypeError, TypeError)):
                await socket.receive_json(timeout=20)
            # The call has not noticed.
            await configured("two")
            again = await session.ws_connect(f"{owner['http']}{query}1", headers=fabric.headers)
            assert (await again.receive_json(timeout=20))["session"]["instructions"] == "two"
            missed = await again.receive_json(timeout=20)
            assert (missed["type"], missed["sequence_number"]) == ("session.updated", 2)
            await configured("three")
            assert (await again.receive_json(timeout=20))["sequence_number"] == 3
