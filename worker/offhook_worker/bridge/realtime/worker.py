"""The worker that bridges to a Realtime server."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp

from offhook_worker.bridge.faults import Fault, UpstreamFault
from offhook_worker.bridge.realtime.call import RealtimeCall
from offhook_worker.bridge.realtime.connection import Connection
from offhook_worker.bridge.settings import RealtimeServer
from offhook_worker.model import Capability, Model, pcm
from offhook_worker.outputs import Output
from offhook_worker.session import Session
from offhook_worker.worker import Load, Reject, RejectReason, VoiceWorker

BUSY_FOR_S = 5.0
"""So long no more calls are taken after the server had no room for one."""


class RealtimeBridge(VoiceWorker):
    """Serves one model, each call on a connection of its own.

    Raises:
        InvalidSettings: an API key is missing.
    """

    def __init__(self, server: RealtimeServer) -> None:
        server.authorization()
        self._server = server
        self._client: aiohttp.ClientSession | None = None
        self._connected: dict[Session, Connection] = {}
        self._busy_until = 0.0
        capabilities = {
            Capability.TEXT_INPUT,
            Capability.TEXT_OUTPUT,
            Capability.FUNCTION_CALLS,
            Capability.HISTORY,
        }
        if server.transcription_model:
            capabilities.add(Capability.INPUT_TRANSCRIPTION)
        if server.own_turns:
            capabilities.add(Capability.OWN_TURN_DETECTION)
        if server.images:
            capabilities.add(Capability.IMAGE_INPUT)
        heard = (pcm(server.rate_hz),)
        self.models = (Model(server.name, heard, heard, frozenset(capabilities)),)

    async def start(self) -> None:
        """Makes the client; connections come with the calls."""
        self._client = aiohttp.ClientSession()

    async def stop(self) -> None:
        """Closes whatever is open."""
        if self._client is not None:
            await self._client.close()

    async def prepare(self, session: Session) -> None:
        """Connects, so that a call is only taken if the server takes it."""
        try:
            self._connected[session] = await self._connect()
        except UpstreamFault as fault:
            if fault.fault is Fault.BUSY:
                self._busy_until = asyncio.get_running_loop().time() + BUSY_FOR_S
            raise Reject(fault.error.message, RejectReason.AT_CAPACITY) from fault

    def on_session(self, session: Session) -> AsyncIterator[Output]:
        """Serves one call."""
        return RealtimeCall(session, self._server, self._connected.pop(session), self._connect)

    def load(self) -> Load:
        """A Realtime server tells nothing of its load but that it has no room."""
        is_full = asyncio.get_running_loop().time() < self._busy_until
        return Load(utilization=1.0 if is_full else 0.0, is_full=is_full)

    async def _connect(self) -> Connection:
        assert self._client is not None
        return await Connection.open(self._client, self._server)
