"""SIGKILL of a transceiver, which nothing can mend: who is left learns of it, and new calls go where there is one."""

import asyncio
import time
from collections.abc import Callable

from tests.support.fabric import running_fabric
from tests.support.live_caller import calling, error_code
from tests.support.metrics import read_metrics

DEADLINE_S = 30.0


async def eventually(condition: Callable[[], bool], what: str) -> float:
    """Returns after how long the condition held."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < DEADLINE_S, what
        await asyncio.sleep(0.05)
    return time.monotonic() - began


async def test_everybody_else_learns_of_it_and_serves_on(show: Callable[[str], None]) -> None:
    with running_fabric("--relays", "1", "--transceivers", "2", "--workers", "1") as fabric:
        victim, other = fabric.processes("transceiver")
        (relay,) = fabric.processes("relay")
        (worker,) = fabric.processes("worker")

        def worker_sessions() -> float:
            return read_metrics(worker)["fabric_worker_sessions"]

        async with (
            calling(fabric, base_url=victim["http"]) as caller,
            calling(fabric, base_url=other["http"]) as bystander,
        ):
            await eventually(lambda: worker_sessions() == 2, "the worker serves both")
            answers, lost = caller.client.ice.responses, len(bystander.heard)
            fabric.kill(victim)
            # The worker lets the sessions of a link that broke go.
            ended_s = await eventually(lambda: worker_sessions() == 1, "the worker's session ends")
            # A request for the call is answered, by whoever it meets, with an error and no hang.
            path = f"/v1/realtime/calls/{caller.call_id}/hangup"
            status, body, _ = await caller.request("POST", path, base_url=other["http"])
            assert (status, error_code(body)) in ((502, "owner_unreachable"), (404, "call_id_not_found"))
            # The client hears nothing more, not even from ICE: its consent runs out by RFC 7675.
            heard = len(caller.heard)
            await bystander.until(lambda: len(bystander.heard) >= lost + 100, "the other call goes on")
            assert len(caller.heard) == heard
            assert caller.client.ice.responses == answers
            assert caller.client.dtls is not None
            assert not caller.client.dtls.closed_by_remote
            assert read_metrics(relay)["fabric_relay_flows"] >= 1
            # Whoever takes its place knows nothing of the call, and serves the next one.
            async with calling(fabric) as successor:
                assert len(successor.heard) >= 5
            show(f"transceiver killed: its worker's session ended after {ended_s * 1000:.0f} ms")
