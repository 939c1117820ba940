"""A worker is killed under calls: they go on with another one, which knows what was said before."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp

from tests.support.conversation_scene import EVENTS, Client
from tests.support.reciting_worker import BREAK_OFF
from tests.support.socket_scene import BY_HAND, SocketClient, connected
from tests.support.whole_transceiver import config, metric, until_ready, whole_transceiver
from tests.support.worker_scene import WorkerProcess, pool_of, until
from transceiver.calls.placing import WorkerCalls
from transceiver.calls.worker_side import WorkerSide
from transceiver.config import SessionLimits
from transceiver.session.actions import CloseReason
from transceiver.worker_link import WorkerPool

CALLS, SOCKET_CALLS = 20, 6
RECITING = "tests.support.reciting_worker:RecitingWorker"


class WritingCaller:
    """One call whose caller writes, and reads the answers."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.client = Client()
        self.side: WorkerSide | None = None

    async def place(self, workers: WorkerCalls) -> None:
        """Puts the call on a worker."""
        by_hand = {"output_modalities": ["text"], "audio": {"input": {"turn_detection": None}}}
        self.side = await workers.open(self.client, "reciting", by_hand)
        self.side.connected()
        self.side.events_opened()

    def write(self, text: str) -> None:
        """Adds a message and asks for an answer."""
        content = [{"type": "input_text", "text": text}]
        message = {"type": "message", "role": "user", "content": content}
        self._send({"type": "conversation.item.create", "item": message})
        self._send({"type": "response.create"})

    def answers(self) -> list[tuple[str, str]]:
        """Status and text of each answer that has ended."""
        return [
            (
                event["response"]["status"],
                "".join(part["text"] for item in event["response"]["output"] for part in item["content"]),
            )
            for event in self.client.of_kind("response.done")
        ]

    async def answered(self, number: int) -> tuple[str, str]:
        """The answer of this number, once it has ended."""
        await until(lambda: len(self.answers()) > number)
        return self.answers()[number]

    def _send(self, event: dict[str, object]) -> None:
        assert self.side is not None
        self.side.message(EVENTS, json.dumps(event))

    def hang_up(self) -> None:
        """Ends the call."""
        assert self.side is not None
        self.side.close(CloseReason.HANGUP)


@asynccontextmanager
async def two_workers(directory: Path) -> AsyncIterator[tuple[list[WorkerProcess], WorkerPool, WorkerCalls]]:
    """Two processes of the reciting worker and what puts calls on them."""
    running = [await WorkerProcess.start(f"unix:{directory}/{name}", RECITING) for name in ("one", "two")]
    try:
        async with pool_of([each.address for each in running]) as pool:
            yield running, pool, WorkerCalls(pool, audio=None, turns=None, limits=SessionLimits())
    finally:
        for each in running:
            await each.kill()


async def test_twenty_conversations_go_on_where_they_were(tmp_path: Path) -> None:
    async with two_workers(tmp_path) as (processes, pool, workers):
        callers = [WritingCaller(number) for number in range(CALLS)]
        for caller in callers:
            await caller.place(workers)
            caller.write(f"first of {caller.number}")
        for caller in callers:
            assert await caller.answered(0) == ("completed", f"first of {caller.number}")

        await processes[0].kill()
        killed_at = time.monotonic()
        for caller in callers:
            caller.write("second")
        for caller in callers:
            assert await caller.answered(1) == ("completed", f"first of {caller.number}, second")
        pause_ms = (time.monotonic() - killed_at) * 1000
        print(f"SIGKILL under {CALLS} calls: all had their next answer after {pause_ms:.0f} ms")

        moved = pool.counters.sessions_moved
        assert 0 < moved < CALLS, "both workers had calls"
        assert moved == sum(pool.counters.sessions_lost.values())
        assert all(caller.client.ended is None and not caller.client.of_kind("error") for caller in callers)
        for caller in callers:
            caller.hang_up()


async def test_conversations_on_websockets_go_on_where_they_were(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        processes = [await WorkerProcess.start(f"unix:{tmp_path}/{name}", RECITING) for name in ("one", "two")]
        for process in processes:
            stack.push_async_callback(process.kill)
        given = config(tmp_path, workers=tuple(process.address for process in processes))
        transceiver = await stack.enter_async_context(whole_transceiver(given, tmp_path))
        await until_ready(transceiver, 2)
        clients = [
            await stack.enter_async_context(connected(transceiver, "model=reciting")) for _ in range(SOCKET_CALLS)
        ]

        async def answered(client: SocketClient, text: str) -> str:
            content = [{"type": "input_text", "text": text}]
            await client.send("conversation.item.create", item={"type": "message", "role": "user", "content": content})
            await client.send("response.create")
            response = (await client.event("response.done"))["response"]
            assert response["status"] == "completed", response
            told: str = response["output"][0]["content"][0]["text"]
            return told

        for client in clients:
            await client.configure(output_modalities=["text"], **BY_HAND)
        assert [await answered(client, "first") for client in clients] == ["first"] * SOCKET_CALLS
        await processes[0].kill()
        again = await asyncio.gather(*(answered(client, "second") for client in clients))
        assert again == ["first, second"] * SOCKET_CALLS
        moved = metric(await transceiver.metrics(), "fabric_transceiver_worker_sessions_moved_total")
        assert 0 < moved < SOCKET_CALLS, "both workers had calls"

        # The last worker goes, too: whoever it leaves is told, and the socket closes.
        await processes[1].kill()
        for client in clients:
            assert (await client.event("error"))["error"]["code"] == "worker_lost"
            assert (await client.socket.receive()).type is aiohttp.WSMsgType.CLOSE


async def test_an_answer_cut_off_fails_and_the_next_knows_of_it(tmp_path: Path) -> None:
    async with two_workers(tmp_path) as (processes, pool, workers):
        caller = WritingCaller(0)
        await caller.place(workers)
        caller.write(BREAK_OFF)
        await until(lambda: bool(caller.client.of_kind("response.output_text.delta")))
        victim = await serving(pool, processes)
        await victim.kill()
        assert await caller.answered(0) == ("failed", BREAK_OFF)
        (done,) = caller.client.of_kind("response.done")
        assert done["response"]["status_details"]["error"]["code"] == "worker_lost"

        caller.write("again")
        assert await caller.answered(1) == ("completed", f"{BREAK_OFF}, again")
        assert caller.client.ended is None
        caller.hang_up()


async def test_without_another_worker_the_caller_is_told(tmp_path: Path) -> None:
    async with two_workers(tmp_path) as (processes, pool, workers):
        await processes[1].kill()
        await until(lambda: pool.ready_workers == 1)
        caller = WritingCaller(0)
        await caller.place(workers)
        caller.write(BREAK_OFF)
        await until(lambda: bool(caller.client.of_kind("response.output_text.delta")))
        await processes[0].kill()
        await until(lambda: caller.client.ended is CloseReason.WORKER_LOST)
        (error,) = caller.client.of_kind("error")
        assert error["error"]["code"] == "worker_lost"
        caller.hang_up()


async def serving(pool: WorkerPool, processes: list[WorkerProcess]) -> WorkerProcess:
    """The process that serves the only call."""
    # Which worker was drawn is nobody's business else.
    links = pool._links.values()
    (link,) = (link for link in links if link.stream is not None and link.stream.sessions)
    return next(each for each in processes if each.address == link.target)
