"""One call through the bridge: the fabric's session on one side, a WebSocket on the other."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Self

from offhook_worker.bridge.faults import Fault, UpstreamFault
from offhook_worker.bridge.realtime.connection import ROLE, Connection
from offhook_worker.bridge.realtime.latency import FirstOutputs
from offhook_worker.bridge.realtime.output_queue import OutputQueue
from offhook_worker.bridge.realtime.requests import ClientEvent
from offhook_worker.bridge.realtime.translator import Translator
from offhook_worker.bridge.settings import RealtimeServer
from offhook_worker.events import Interrupted, ResponseRequested, TurnEvent
from offhook_worker.outputs import Output
from offhook_worker.session import Session

FIRST_RETRY_S, LAST_RETRY_S = 0.1, 2.0
MAX_LOSSES, LOSSES_WITHIN_S = 5, 60.0
"""A server that is lost more often is of no use to a caller."""

_log = logging.getLogger(__name__)


class RealtimeCall:
    """Runs one call. As an iterator it yields nothing: outputs leave from the tasks that make them.

    Args:
        connection: the first one.
        connect: makes another.
    """

    def __init__(
        self,
        session: Session,
        server: RealtimeServer,
        connection: Connection,
        connect: Callable[[], Awaitable[Connection]],
    ) -> None:
        self._session = session
        self._server = server
        self._connection: Connection | None = connection
        self._connect = connect
        self._translator = Translator(server, session.config, session.history, session.output_format)
        self._outputs = OutputQueue()
        self._latency = FirstOutputs()
        self._sending = asyncio.Lock()
        self._losses: deque[float] = deque(maxlen=MAX_LOSSES)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Output:
        """Runs the whole call; then there is nothing more.

        Raises:
            UpstreamFault: the server is lost and does not come back.
        """
        fault: UpstreamFault | None = None
        try:
            await self._run()
        except* UpstreamFault as faults:
            first = faults.exceptions[0]
            assert isinstance(first, UpstreamFault)
            fault = first
        finally:
            if self._connection is not None:
                await self._connection.close()
        if fault is not None:
            raise fault
        raise StopAsyncIteration

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._deliver()), group.create_task(self._keep_connected())]
            async for event in self._session:
                if isinstance(event, Interrupted):
                    self._outputs.forget(event.response_id)
                elif isinstance(event, ResponseRequested):
                    self._latency.ask(event.response_id, _now())
                await self._send(self._translator.event(event))
            for task in tasks:
                task.cancel()

    async def _deliver(self) -> None:
        while True:
            await self._session.deliver(await self._outputs.get())

    async def _keep_connected(self) -> None:
        while self._connection is not None:
            fault = await self._follow(self._connection)
            await self._connection.close()
            self._connection = None
            _log.warning("realtime: %s: %s", fault.fault, fault.detail)
            for output in self._translator.lost(fault):
                self._outputs.put(output)
            self._connection = await self._reconnect(fault)

    async def _follow(self, connection: Connection) -> UpstreamFault:
        """Reads until the connection is lost; why it was."""
        try:
            await self._send(self._translator.connected(connection.dialect))
            async for event in connection.events():
                outputs, answers = self._translator.read(event)
                for output in outputs:
                    await self._output(output)
                await self._send(answers)
        except UpstreamFault as fault:
            return fault
        return UpstreamFault(Fault.BROKEN, ROLE, "the connection was closed")

    async def _output(self, output: Output) -> None:
        if isinstance(output, TurnEvent):
            # Waits behind no audio: it is what stops the audio.
            await self._session.deliver(output)
        else:
            self._outputs.put(self._latency.note(output, _now()))

    async def _send(self, events: list[ClientEvent]) -> None:
        """Sends events one after the other; without a connection they are void, as the next one is told everything."""
        async with self._sending:
            for event in events:
                if self._connection is not None:
                    await self._connection.send(event)

    async def _reconnect(self, lost: UpstreamFault) -> Connection:
        now = _now()
        self._losses.append(now)
        if len(self._losses) == MAX_LOSSES and now - self._losses[0] < LOSSES_WITHIN_S:
            raise lost
        deadline, wait_s = now + self._server.reconnect_within_s, FIRST_RETRY_S
        while True:
            try:
                return await self._connect()
            except UpstreamFault as fault:
                if _now() + wait_s > deadline:
                    raise
                _log.info("realtime: tried again in vain: %s", fault.fault)
            await asyncio.sleep(wait_s)
            wait_s = min(LAST_RETRY_S, 2 * wait_s)


def _now() -> float:
    return asyncio.get_running_loop().time()
