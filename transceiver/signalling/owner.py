"""Passing a request to the transceiver that owns the call.

Call ids carry a route token, so any transceiver behind the HTTP Service can tell whose call it is, without sticky
sessions and without a database. The request goes on as it came, once: a peer never passes it further.
"""

from collections.abc import Awaitable, Callable

import aiohttp
import structlog
from aiohttp import web

from transceiver.peers import PeerDirectory
from transceiver.signalling.errors import REQUEST_ID, ApiError
from wire.drop import DropReason
from wire.ufrag import KeyRing

_log = structlog.get_logger(__name__)

FORWARDED = "X-Offhook-Forwarded"
PASSED_REQUEST_HEADERS = ("Authorization", "Content-Type", "If-Match", "Accept", "X-OpenAI-Agents-SDK")
PASSED_RESPONSE_HEADERS = (
    "Content-Type",
    "Location",
    "ETag",
    "Accept-Patch",
    "x-should-retry",
    "Retry-After",
    REQUEST_ID,
)
LocalHandler = Callable[[web.Request, str], Awaitable[web.StreamResponse]]


def no_such_call(call_id: str) -> ApiError:
    """404, as OpenAI words it for an object that is not there (any more)."""
    return ApiError(404, f"No call found with id '{call_id}'.", code="call_not_found", param="call_id")


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
        token = self._keys().decode_call_id(call_id)
        if isinstance(token, DropReason) or token.cluster_id != self._cluster_id:
            raise no_such_call(call_id)
        if token.transceiver_id == self._transceiver_id:
            return await handler(request, call_id)
        if FORWARDED in request.headers:
            raise no_such_call(call_id)
        base_url = await self._peers.signalling_url(token.transceiver_id)
        if base_url is None:
            raise no_such_call(call_id)
        return await self._pass_on(request, token.transceiver_id, base_url)

    async def _pass_on(self, request: web.Request, transceiver_id: int, base_url: str) -> web.Response:
        if self._client is None:
            self._client = aiohttp.ClientSession(timeout=self._timeout, auto_decompress=False)
        headers = {name: request.headers[name] for name in PASSED_REQUEST_HEADERS if name in request.headers}
        headers[FORWARDED] = "1"
        try:
            async with self._client.request(
                request.method,
                base_url + request.path_qs,
                headers=headers,
                data=await request.read(),
                allow_redirects=False,
            ) as answer:
                passed = {name: answer.headers[name] for name in PASSED_RESPONSE_HEADERS if name in answer.headers}
                return web.Response(status=answer.status, headers=passed, body=await answer.read())
        except (TimeoutError, aiohttp.ClientError) as error:
            # It may have restarted elsewhere: the next request asks anew where it is.
            self._peers.forget(transceiver_id)
            _log.warning("owner of a call did not answer", error=type(error).__name__)
            raise ApiError(
                502, "The transceiver that owns this call did not answer.", code="owner_unreachable", retry=True
            ) from error
