"""Passing a request to the transceiver that owns the call.

Call ids carry a route token, so any transceiver behind the HTTP Service can tell whose call it is, without sticky
sessions and without a database. The request goes on as it came, once: a peer never passes it further.
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

import aiohttp
import structlog
from aiohttp import web

from transceiver.peers import PeerDirectory
from transceiver.signalling.access.principal import subprotocol_key
from transceiver.signalling.errors import REQUEST_ID, ApiError
from transceiver.signalling.event_connection import MAX_FRAME_BYTES, PING_EVERY_S, relay_socket
from transceiver.signalling.idempotency import IDEMPOTENCY_KEY, REPLAYED
from wire.drop import DropReason
from wire.ufrag import KeyRing

_log = structlog.get_logger(__name__)

FORWARDED = "X-Offhook-Forwarded"
PASSED_REQUEST_HEADERS = (
    "Authorization",
    "Content-Type",
    "If-Match",
    "Accept",
    "X-OpenAI-Agents-SDK",
    "OpenAI-Beta",
    IDEMPOTENCY_KEY,
)
PASSED_RESPONSE_HEADERS = (
    "Content-Type",
    "Location",
    "ETag",
    "Accept-Patch",
    "x-should-retry",
    "Retry-After",
    REPLAYED,
    REQUEST_ID,
)
LocalHandler = Callable[[web.Request, str], Awaitable[web.StreamResponse]]


def no_such_call(call_id: str) -> ApiError:
    """404, as OpenAI words it for an object that is not there (any more)."""
    return ApiError(404, f"No call found with id '{call_id}'.", code="call_id_not_found", param="call_id")


class CallOwner:
    """Decides where a request for a call id is handled.

    Args:
        keys: current routing keys, asked at each request because they rotate.
        cluster_id, transceiver_id: who we are.
        peers: where the others are.
        timeout_s: for the whole forwarded request.
    """

    def __init__(
        self,
        keys: Callable[[], KeyRing],
        cluster_id: int,
        transceiver_id: int,
        peers: PeerDirectory,
        *,
        timeout_s: float = 10.0,
    ) -> None:
        self._keys = keys
        self._cluster_id = cluster_id
        self._transceiver_id = transceiver_id
        self._peers = peers
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._client: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Closes the connections to peers."""
        if self._client is not None:
            await self._client.close()

    async def handle(self, request: web.Request, handler: LocalHandler) -> web.StreamResponse:
        """Handles a request for `{call_id}` here if the call is ours, else passes it to its owner.

        Raises:
            ApiError: 404 if no transceiver of this cluster owns the id, 502 if its owner does not answer.
        """
        call_id = request.match_info["call_id"]
        peer = await self._locate(request, call_id)
        return await (handler(request, call_id) if peer is None else self._pass_on(request, peer))

    async def handle_socket(self, request: web.Request, call_id: str, handler: LocalHandler) -> web.StreamResponse:
        """The same for a request that opens a WebSocket.

        Raises:
            ApiError: 404 if no transceiver of this cluster owns the id, 502 if its owner does not answer.
        """
        peer = await self._locate(request, call_id)
        if peer is None:
            return await handler(request, call_id)
        try:
            upstream = await self._session().ws_connect(
                peer.base_url + request.path_qs,
                headers=_passed_on(request),
                heartbeat=PING_EVERY_S,
                max_msg_size=MAX_FRAME_BYTES,
            )
        except aiohttp.WSServerHandshakeError as error:
            if error.status == 404:
                raise no_such_call(call_id) from error
            message = f"The transceiver that owns this call refused the connection with {error.status}."
            raise ApiError(502, message, code="owner_refused") from error
        except (TimeoutError, aiohttp.ClientError) as error:
            raise self._unreachable(peer, error) from error
        async with upstream:
            return await relay_socket(request, upstream)

    async def _locate(self, request: web.Request, call_id: str) -> "_Peer | None":
        """The transceiver that owns a call; None if we do.

        Raises:
            ApiError: 404.
        """
        token = self._keys().decode_call_id(call_id)
        if isinstance(token, DropReason) or token.cluster_id != self._cluster_id:
            raise no_such_call(call_id)
        if token.transceiver_id == self._transceiver_id:
            return None
        base_url = None if FORWARDED in request.headers else await self._peers.signalling_url(token.transceiver_id)
        if base_url is None:
            raise no_such_call(call_id)
        return _Peer(token.transceiver_id, base_url)

    def _session(self) -> aiohttp.ClientSession:
        if self._client is None:
            self._client = aiohttp.ClientSession(timeout=self._timeout, auto_decompress=False)
        return self._client

    def _unreachable(self, peer: "_Peer", error: Exception) -> ApiError:
        # It may have restarted elsewhere: the next request asks anew where it is.
        self._peers.forget(peer.transceiver_id)
        _log.warning("owner of a call did not answer", error=type(error).__name__)
        return ApiError(
            502, "The transceiver that owns this call did not answer.", code="owner_unreachable", retry=True
        )

    async def _pass_on(self, request: web.Request, peer: "_Peer") -> web.Response:
        try:
            async with self._session().request(
                request.method,
                peer.base_url + request.path_qs,
                headers=_passed_on(request),
                data=await request.read(),
                allow_redirects=False,
            ) as answer:
                passed = {name: answer.headers[name] for name in PASSED_RESPONSE_HEADERS if name in answer.headers}
                return web.Response(status=answer.status, headers=passed, body=await answer.read())
        except (TimeoutError, aiohttp.ClientError) as error:
            raise self._unreachable(peer, error) from error


class _Peer(NamedTuple):
    transceiver_id: int
    base_url: str


def _passed_on(request: web.Request) -> dict[str, str]:
    headers = {name: request.headers[name] for name in PASSED_REQUEST_HEADERS if name in request.headers}
    # A browser's key travels in a sub-protocol's name, which only it needs to get back.
    if "Authorization" not in headers and (key := subprotocol_key(request)):
        headers["Authorization"] = f"Bearer {key}"
    return headers | {FORWARDED: "1"}
