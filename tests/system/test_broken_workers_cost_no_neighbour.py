"""Workers that fail, each in its own way: its caller gets a clear event, and a neighbour's audio has no gap.

The neighbour talks with a sound worker through the same transceiver all the while. Every frame that it sends must come
back, in order; the transceiver's memory and its drops, by reason, are what its metrics say.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support.broken_workers import Fault
from tests.support.event_reader import EventReader
from tests.support.live_caller import LiveCaller, calling, frame_number
from tests.support.metrics import read_metrics
from tests.support.planned_fabric import PlannedFabric, RoleProcess, planned_fabric
from tests.support.webrtc_client import ClientOptions
from tests.support.worker_scene import broken_process

pytestmark = pytest.mark.asyncio(loop_scope="module")

PCMU = 0
FAULTS = (Fault.SLOW, Fault.MUTE, Fault.FLOOD, Fault.GARBAGE, Fault.VANISH)
AFTERWARDS_FRAMES = 50
"""What the neighbour says of the consequences."""
MOST_GROWTH_KB = 64 * 1024
"""A flood sends 80 MB and more; what waits of it anywhere is bounded far below."""


class Scene:
    """A caller of the broken worker, and its neighbour."""

    def __init__(self, transceiver: RoleProcess, caller: LiveCaller, neighbour: LiveCaller) -> None:
        self.caller = caller
        self.events = EventReader(caller)
        self._transceiver = transceiver
        self._neighbour = neighbour
        self._before = self.metrics()
        self._first = frame_number(neighbour.heard[-1])
        self._memory_kb = self.memory_kb()

    def metrics(self) -> dict[str, float]:
        return read_metrics(self._transceiver.entry)

    def memory_kb(self) -> int:
        status = Path(f"/proc/{self._transceiver.entry['pid']}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))

    async def ask(self) -> None:
        """Asks for an answer, once there is a channel to ask on."""
        await self.events.event("session.created")
        self.events.send("response.create")
        await self.events.event("response.created")

    async def neighbour_is_well(self) -> str:
        """Nothing of the neighbour's audio is missing or out of order; what to print of it."""
        asked = self._neighbour.frames_sent + AFTERWARDS_FRAMES
        await self._neighbour.until(
            lambda: frame_number(self._neighbour.heard[-1]) >= asked, "what the neighbour says afterwards"
        )
        heard = [number for number in map(frame_number, self._neighbour.heard) if number >= self._first]
        assert heard == list(range(self._first, heard[-1] + 1))
        grown_kb = self.memory_kb() - self._memory_kb
        assert grown_kb < MOST_GROWTH_KB
        return f"neighbour heard all of {len(heard)} frames; memory grew by {grown_kb} KiB; drops {self.drops()}"

    def drops(self) -> dict[str, int]:
        """By reason, since the broken worker was called."""
        now = self.metrics()
        prefix = 'fabric_transceiver_worker_drops_total{reason="'
        grown = {name: round(now[name] - self._before[name]) for name in now if name.startswith(prefix)}
        return {name.removeprefix(prefix).removesuffix('"}'): count for name, count in grown.items() if count}

    def lost(self, reason: str) -> float:
        """Sessions that lost their worker for this reason."""
        return self.metrics()[f'fabric_transceiver_worker_sessions_lost_total{{reason="{reason}"}}']


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fabric(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PlannedFabric]:
    """A transceiver with a sound worker and one of each fault."""
    directory = tmp_path_factory.mktemp("broken")
    async with AsyncExitStack() as stack:
        broken = [await stack.enter_async_context(broken_process(directory, fault)) for fault in FAULTS]
        addresses = [each.address for each in broken]
        limits = {"answer_timeout_s": 2.0}
        running = await stack.enter_async_context(planned_fabric(directory, workers=addresses, limits=limits))
        await running.relay("relay-0")
        yield running


@asynccontextmanager
async def scene(fabric: PlannedFabric, fault: Fault) -> AsyncIterator[Scene]:
    async with (
        calling(fabric) as neighbour,
        LiveCaller(fabric, ClientOptions(data_channel=True, payload_type=PCMU)) as caller,
    ):
        await caller.call(path=f"/v1/realtime/calls?model={fault}")
        yield Scene(fabric.running["transceiver"], caller, neighbour)


def error_of(done: dict[str, Any]) -> str:
    """Why a response failed."""
    assert done["response"]["status"] == "failed", done
    code: str = done["response"]["status_details"]["error"]["code"]
    return code


async def test_slower_than_real_time(fabric: PlannedFabric, show: Callable[[str], None]) -> None:
    async with scene(fabric, Fault.SLOW) as call:
        await call.ask()
        assert (await call.events.event("error"))["error"]["code"] == "worker_slow"
        assert (await call.events.event("response.done"))["response"]["status"] == "completed"
        show(f"slower than real time: {await call.neighbour_is_well()}")


async def test_never_answers(fabric: PlannedFabric, show: Callable[[str], None]) -> None:
    async with scene(fabric, Fault.MUTE) as call:
        await call.ask()
        assert error_of(await call.events.event("response.done")) == "worker_timeout"
        # The call goes on: the caller may ask again.
        call.events.send("response.create")
        await call.events.event("response.created")
        show(f"never answers: {await call.neighbour_is_well()}")


async def test_floods(fabric: PlannedFabric, show: Callable[[str], None]) -> None:
    async with scene(fabric, Fault.FLOOD) as call:
        await call.ask()
        assert (await call.events.event("error"))["error"]["code"] == "worker_lost"
        assert call.lost("flooded") == 1
        assert call.drops()["over_credit"] > 0
        show(f"floods: {await call.neighbour_is_well()}")


async def test_sends_garbage(fabric: PlannedFabric, show: Callable[[str], None]) -> None:
    async with scene(fabric, Fault.GARBAGE) as call:
        await call.ask()
        told = await call.events.event("error")
        assert told["error"]["type"] == "server_error"
        assert (await call.events.event("response.done"))["response"]["status"] == "completed"
        assert call.drops().keys() >= {"malformed_output", "unknown_session"}
        show(f"sends garbage: {await call.neighbour_is_well()}")


async def test_vanishes_in_the_middle_of_a_sentence(fabric: PlannedFabric, show: Callable[[str], None]) -> None:
    async with scene(fabric, Fault.VANISH) as call:
        await call.ask()
        assert error_of(await call.events.event("response.done")) == "worker_lost"
        assert (await call.events.event("error"))["error"]["code"] == "worker_lost"
        dtls = call.caller.client.dtls
        assert dtls is not None
        await call.caller.until(lambda: dtls.closed_by_remote, "an orderly end")
        assert call.lost("stream_ended") == 1
        show(f"vanishes: {await call.neighbour_is_well()}")
