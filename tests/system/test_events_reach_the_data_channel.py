"""What the fabric tells a caller on the `oai-events` data channel, and hears there, over real DTLS and SCTP."""

import asyncio

from tests.support.event_reader import EventReader
from tests.support.fabric import running_fabric
from tests.support.live_caller import LiveCaller, frame
from tests.support.webrtc_client import ClientOptions


async def test_an_echo_has_a_session_that_can_be_configured_and_leaves_audio_alone() -> None:
    with running_fabric("--relays", "1", "--transceivers", "1", "--workers", "1") as fabric:
        async with LiveCaller(fabric, ClientOptions(data_channel=True)) as caller:
            await caller.call()
            reader = EventReader(caller)
            created = await reader.event("session.created")
            assert reader.events[0] == created
            assert created["session"]["model"] == "echo"
            assert created["session"]["audio"]["input"]["turn_detection"] is None
            reader.send("session.update", session={"type": "realtime", "instructions": "Echo."})
            assert (await reader.event("session.updated"))["session"]["instructions"] == "Echo."
            reader.send("nonsense", event_id="mine")
            assert (await reader.event("error"))["error"]["event_id"] == "mine"
            caller.speak()
            await caller.until(lambda: reader.progress() and len(caller.heard) >= 50, "the echo")
            reader.send("input_audio_buffer.commit")
            committed = await reader.event("input_audio_buffer.committed")
            assert (await reader.event("conversation.item.done"))["item"]["id"] == committed["item_id"]
            assert caller.heard[:50] == [frame(number) for number in range(50)]
            told = {event["type"] for event in reader.events}
            assert not [kind for kind in told if kind.startswith(("response.", "output_audio_buffer."))]


async def test_a_caller_reads_why_the_call_ends_when_its_worker_dies() -> None:
    with running_fabric("--relays", "1", "--transceivers", "1", "--workers", "1") as fabric:
        async with LiveCaller(fabric, ClientOptions(data_channel=True)) as caller:
            await caller.call()
            reader = EventReader(caller)
            caller.speak()
            await caller.until(lambda: reader.progress() and reader.opened and len(caller.heard) > 50, "the channel")
            (worker,) = await asyncio.to_thread(fabric.processes, "worker")
            fabric.kill(worker)
            event = await reader.event("error", within_s=2.0)
            assert event["error"]["code"] == "worker_lost"
            dtls = caller.client.dtls
            assert dtls is not None
            await caller.until(lambda: dtls.closed_by_remote, "an orderly end", within_s=2.0)
