"""After calls have come and gone, a transceiver holds what it held before: no more objects, tasks, descriptors."""

import asyncio
import gc
import os
import threading
from collections import Counter, deque
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from weakref import ref

import pytest
from offhook_worker.echo import EchoWorker
from OpenSSL import SSL

from tests.support.live_caller import LiveCaller
from tests.support.transceiver_scene import TransceiverScene
from tests.support.udp_peer import until
from tests.support.webrtc_client import ClientOptions
from tests.support.whole_transceiver import WholeTransceiver, reachable_transceiver
from tests.support.worker_scene import serving
from transceiver.session.actions import CloseReason
from wire.address import Address

WARM_UP = 30
CALLS = 150
AT_ONCE = 10
CONTAINERS = (dict, list, set, deque)
BOUNDED = {"_timers", "_changes", "drops", "latest"}
"""Timers of sessions that have ended go when they are due, the flow log keeps its last changes, the reports on the last
1,000 calls are kept, and drops have a fixed list of reasons: none of the four is a leak, and none stands still."""
OURS = ("transceiver", "wire", "offhook_datapath", "OpenSSL", "pylibsrtp")
native = pytest.mark.skipif(find_spec("offhook_datapath") is None, reason="the native module is not built here")


class Held(dict[str, int]):
    """What this process holds, by kind."""

    @classmethod
    def now(cls) -> "Held":
        gc.collect()
        kinds: Counter[str] = Counter()
        for each in gc.get_objects():
            kind = type(each)
            if str(kind.__module__).partition(".")[0] not in OURS:
                continue
            kinds[f"{kind.__module__}.{kind.__qualname__}"] += 1
            for name, value in getattr(each, "__dict__", {}).items():
                if kind.__module__.startswith("transceiver.") and isinstance(value, CONTAINERS) and name not in BOUNDED:
                    kinds[f"{kind.__module__}.{kind.__qualname__}.{name}"] += len(value)
        counted = {"tasks": len(asyncio.all_tasks()), "threads": threading.active_count()}
        return cls(kinds, **counted, descriptors=len(os.listdir("/proc/self/fd")))  # noqa: PTH208 - descriptors, not paths

    def more_than(self, before: "Held") -> dict[str, int]:
        """Each kind of which there is more now."""
        return {kind: count - before.get(kind, 0) for kind, count in self.items() if count > before.get(kind, 0)}


async def one_call(transceiver: WholeTransceiver, model: str, number: int) -> None:
    """A call that talks, and then ends in one of the ways in which calls end."""
    options = ClientOptions(setup="active" if number % 2 else "actpass", data_channel=number % 3 == 0)
    async with LiveCaller(transceiver, options) as caller:
        if number % 5 == 4:
            await caller.place(path=f"/v1/realtime/calls?model={model}")  # its client goes away in the middle of setup
        else:
            await caller.call(path=f"/v1/realtime/calls?model={model}")
            caller.speak()
            await caller.until(lambda: len(caller.heard) >= 3, "echoes")
        if number % 5 == 0 and caller.client.dtls is not None:
            caller.client.dtls.close()
            caller.client.handle_timeout(0.0)
            for datagram in caller.client.dtls.take_datagrams():
                caller.send_raw(datagram)
        else:
            status, _, _ = await caller.request("POST", f"{caller.location}/hangup")
            assert status == 200


async def call_many(transceiver: WholeTransceiver, model: str, count: int) -> None:
    turns = asyncio.Semaphore(AT_ONCE)

    async def in_turn(number: int) -> None:
        async with turns:
            await one_call(transceiver, model, number)

    await asyncio.gather(*(in_turn(number) for number in range(count)))


async def settled(transceiver: WholeTransceiver) -> Held:
    """What is held once no session is left and what ends a moment later has ended."""
    async with asyncio.timeout(20):
        while "\nfabric_transceiver_sessions 0.0" not in await transceiver.metrics():
            await asyncio.sleep(0.05)
    least = Held.now()

    def quiet() -> bool:
        nonlocal least
        before, least = least, Held.now()
        return not before.more_than(least)

    await until(quiet, "nothing more ends")
    return least


@pytest.mark.timeout(120)
@pytest.mark.parametrize("port", [pytest.param("native", marks=native), "python"])
@pytest.mark.parametrize("model", ["loopback", "echo"])
async def test_no_object_task_descriptor_or_thread_more(tmp_path: Path, port: str, model: str) -> None:
    worker = f"unix:{tmp_path}/worker.sock"
    async with (
        serving(EchoWorker(), address=worker),
        reachable_transceiver(tmp_path, media_port=port, workers=(worker,), drain_s=0) as transceiver,
    ):
        await call_many(transceiver, model, WARM_UP)
        before = await settled(transceiver)
        await call_many(transceiver, model, CALLS)
        await settled(transceiver)
        # What is still under way ends; a leak stays.
        with suppress(TimeoutError):
            async with asyncio.timeout(10):
                while Held.now().more_than(before):
                    await asyncio.sleep(0.1)
        assert Held.now().more_than(before) == {}


def test_what_openssl_holds_goes_with_the_call_and_not_with_the_collector() -> None:
    scene = TransceiverScene()
    callers = [scene.connect(address=Address("198.51.100.9", 20_000 + index)) for index in range(3)]
    sessions = [ref(caller.session) for caller in callers]
    before = connections()
    gc.disable()
    try:
        scene.hub.close(callers[0].session, CloseReason.HANGUP, scene.now)
        dtls = callers[1].client.dtls
        assert dtls is not None
        dtls.close()
        scene.run_until(lambda: callers[1].listener.closed_reason is CloseReason.CLIENT_CLOSED)
        assert connections() == before - 2
        assert all(session() is not None for session in sessions)
    finally:
        gc.enable()


def connections() -> int:
    """Live DTLS connections, whoever's."""
    return sum(isinstance(each, SSL.Connection) for each in gc.get_objects())
