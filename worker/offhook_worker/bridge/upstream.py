"""One OpenAI-compatible HTTP server: its connections, its key, and its faults as the caller is told them."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiohttp

from offhook_worker.bridge.faults import Fault, UpstreamFault
from offhook_worker.bridge.settings import HttpServer, InvalidSettings

RETRY_WITHIN_S = 1.0
"""A busy server is asked once more if it says that this is soon enough; a caller waits no longer."""
MAX_JSON_BYTES = 4 * 1024 * 1024
ASIDE_S = 2.0
"""For what is asked beside the calls: metrics and the like."""
_RESTS_S = 30.0
"""Idle connections are kept this long: shorter than any engine keeps them, so that few are closed under us."""
_TOO_MANY_REQUESTS, _UNAVAILABLE = 429, 503

_log = logging.getLogger(__name__)

Body = Callable[[], dict[str, Any]]
"""Makes the arguments of a request anew, as a form can be sent only once."""


class Upstream:
    """A server, with its pool of connections. Use it between `start` and `stop`.

    Args:
        role: what it is to the caller: "language model", "recognition", "speech".

    Attributes:
        server, role: as given.
        in_flight: requests under way.
    """

    def __init__(self, role: str, server: HttpServer) -> None:
        self.server = server
        self.role = role
        self.in_flight = 0
        self._model = server.model
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Makes the pool; nothing is connected yet."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self.server.connections, keepalive_timeout=_RESTS_S),
            timeout=aiohttp.ClientTimeout(
                sock_connect=self.server.connect_timeout_s, sock_read=self.server.silence_timeout_s
            ),
        )

    async def stop(self) -> None:
        """Closes every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def model(self) -> str:
        """The model to ask for: the one that was configured, or the first that the server lists.

        Raises:
            UpstreamFault: it lists none.
        """
        if not self._model:
            async with self._request("GET", "models", dict) as response:
                listed = await self.read_json(response)
            models = listed.get("data")
            first = models[0] if isinstance(models, list) and models else None
            if not isinstance(first, dict) or not isinstance(first.get("id"), str):
                raise self.fault(Fault.BROKEN, "it lists no models")
            self._model = first["id"]
        return self._model

    @asynccontextmanager
    async def post(self, path: str, body: Body) -> AsyncIterator[aiohttp.ClientResponse]:
        """Sends a request; what is read within the context fails as an UpstreamFault.

        A body that was not read to its end costs the connection: that is how an engine learns to stop.

        Raises:
            UpstreamFault: the server cannot be reached, does not take the request, or breaks off.
        """
        async with self._request("POST", path, body) as response:
            yield response

    async def read_json(self, response: aiohttp.ClientResponse) -> dict[str, Any]:
        """A whole body.

        Raises:
            UpstreamFault: it is no JSON object, or too long.
        """
        text = await response.content.read(MAX_JSON_BYTES)
        while text and len(text) < MAX_JSON_BYTES and (more := await response.content.read(MAX_JSON_BYTES)):
            text += more
        try:
            value = json.loads(text)
        except ValueError as error:
            raise self.fault(Fault.BROKEN, "no JSON") from error
        if not isinstance(value, dict):
            raise self.fault(Fault.BROKEN, "no JSON object")
        return value

    async def get_text(self, address: str, most_bytes: int) -> str:
        """A page of the server beside its API; what passes `most_bytes` is left out.

        Raises:
            aiohttp.ClientError, TimeoutError: it has none, or cannot be reached.
        """
        assert self._session is not None
        timeout = aiohttp.ClientTimeout(total=ASIDE_S)
        async with self._session.get(
            address, headers=self.server.authorization(), timeout=timeout, allow_redirects=False, raise_for_status=True
        ) as response:
            text = b""
            async for piece in response.content.iter_any():
                text += piece
                if len(text) > most_bytes:
                    break
            return text[:most_bytes].decode("utf-8", "replace")

    async def slots(self) -> int:
        """How many requests the engine runs at once, where it tells (llama.cpp does); 0: unknown."""
        address = urlunsplit(urlsplit(self.server.url)._replace(path="/props", query=""))
        try:
            props = json.loads(await self.get_text(address, MAX_JSON_BYTES))
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return 0
        slots = props.get("total_slots") if isinstance(props, dict) else None
        return slots if isinstance(slots, int) and slots > 0 else 0

    def fault(self, fault: Fault, detail: str = "") -> UpstreamFault:
        """A fault of this server."""
        return UpstreamFault(fault, self.role, detail)

    # -- inside ------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _request(self, method: str, path: str, body: Body) -> AsyncIterator[aiohttp.ClientResponse]:
        self.in_flight += 1
        response = None
        try:
            response = await self._open(method, path, body)
            yield response
        except UpstreamFault as fault:
            _log.warning("%s: %s: %s", self.role, fault.fault, fault.detail)
            raise
        except TimeoutError as error:
            raise self._logged(Fault.TIMEOUT, error) from error
        except aiohttp.ClientError as error:
            raise self._logged(Fault.BROKEN, error) from error
        finally:
            self.in_flight -= 1
            if response is not None:
                response.close()

    async def _open(self, method: str, path: str, body: Body) -> aiohttp.ClientResponse:
        for is_last in (False, True):
            try:
                response = await self._send(method, path, body)
            except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
                raise self.fault(Fault.UNREACHABLE, type(error).__name__) from error
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
                # A connection that had rested may have been closed just now.
                if is_last:
                    raise self.fault(Fault.UNREACHABLE, type(error).__name__) from error
                continue
            if 200 <= response.status < 300:
                return response
            wait_s = _retry_after_s(response.headers)
            try:
                if is_last or response.status not in {_TOO_MANY_REQUESTS, _UNAVAILABLE} or wait_s is None:
                    raise await self._refusal(response)
            finally:
                response.close()
            await asyncio.sleep(wait_s)
        raise AssertionError("the last attempt returns or raises")

    async def _send(self, method: str, path: str, body: Body) -> aiohttp.ClientResponse:
        assert self._session is not None
        try:
            headers = self.server.authorization()
        except InvalidSettings as error:
            raise self.fault(Fault.REFUSED, str(error)) from error
        # Redirects are not followed: another host would be handed the key.
        return await self._session.request(
            method, f"{self.server.url}/{path}", headers=headers, allow_redirects=False, **body()
        )

    async def _refusal(self, response: aiohttp.ClientResponse) -> UpstreamFault:
        status = response.status
        if status in {_TOO_MANY_REQUESTS, _UNAVAILABLE}:
            return self.fault(Fault.BUSY, f"status {status}")
        # What is said about a key may quote it.
        said = "" if status in {401, 403} else _message(await response.content.read(4096))
        return self.fault(Fault.FAILED if status >= 500 else Fault.REFUSED, f"status {status} {said}".strip())

    def _logged(self, fault: Fault, error: Exception) -> UpstreamFault:
        made = self.fault(fault, type(error).__name__)
        _log.warning("%s: %s: %s", self.role, fault, made.detail)
        return made


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """How long to wait before asking once more; None: it would be too long."""
    try:
        wait_s = float(headers.get("Retry-After", "0.2"))
    except ValueError:
        return None
    return wait_s if 0 <= wait_s <= RETRY_WITHIN_S else None


def _message(body: bytes) -> str:
    """What an error body says, shortened."""
    try:
        error = json.loads(body)
        error = error.get("error", error)
        said = error.get("message", "") if isinstance(error, dict) else error
    except (ValueError, AttributeError):
        return ""
    return str(said)[:200]
