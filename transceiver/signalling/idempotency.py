"""Requests that may safely be sent again: those with an `Idempotency-Key` are performed once.

A client that did not get an answer sends the request anew with the same key and gets the answer of the first, also
while that is still being handled. Answers are kept in this process only. Requests for a call meet its owner wherever
they come in, so they are performed once; two that place calls may meet two transceivers, on two connections.
"""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from transceiver.signalling.access.principal import Access
from transceiver.signalling.errors import ApiError

IDEMPOTENCY_KEY: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotent-Replayed"
KEPT_S: Final = 600.0
MAX_KEPT: Final = 5000
"""Answers that are kept; the oldest is forgotten for another."""
MAX_KEY_CHARS: Final = 255
MAX_KEPT_BODY_BYTES: Final = 65_536


class _Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class _Kept(NamedTuple):
    body_digest: bytes
    until: float
    answer: "asyncio.Future[_Answer | None]"


class Answers:
    """The answers of late, by who asked what."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()

    async def once(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Performs a request, or answers as the first of its key was answered.

        Raises:
            ApiError: 400 for a key that is none, 422 for one that was used for another request.
        """
        key = request.headers[IDEMPOTENCY_KEY]
        if not 0 < len(key) <= MAX_KEY_CHARS:
            message = f"'{IDEMPOTENCY_KEY}' must have 1 to {MAX_KEY_CHARS} characters."
            raise ApiError(400, message, code="invalid_idempotency_key")
        who, body_digest = _identity(request, key), hashlib.sha256(await request.read()).digest()
        while (kept := self._find(who)) is not None:
            if kept.body_digest != body_digest:
                message = f"This '{IDEMPOTENCY_KEY}' was used for another request."
                raise ApiError(422, message, code="idempotency_key_reused")
            if (answer := await asyncio.shield(kept.answer)) is not None:
                return web.Response(status=answer.status, headers=answer.headers | {REPLAYED: "true"}, body=answer.body)
        return await self._perform(who, body_digest, request, handler)

    async def _perform(
        self, who: bytes, body_digest: bytes, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        kept = _Kept(body_digest, self._now() + KEPT_S, asyncio.get_running_loop().create_future())
        self._kept[who] = kept
        while len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
        answer = None
        try:
            response = await handler(request)
            answer = _answer(response)
        finally:
            if answer is None:
                # What was refused has changed nothing: it may be tried anew.
                self._kept.pop(who, None)
            kept.answer.set_result(answer)
        return response

    def _find(self, who: bytes) -> _Kept | None:
        while self._kept and next(iter(self._kept.values())).until < self._now():
            self._kept.popitem(last=False)
        return self._kept.get(who)


def idempotency_middleware(answers: Answers, access: Access) -> Middleware:
    """Middleware that performs a POST with a key once."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method != "POST" or IDEMPOTENCY_KEY not in request.headers:
            return await handler(request)
        # An answer that is kept is for whoever may still ask.
        access.anyone(request)
        return await answers.once(request, handler)

    return middleware


def _identity(request: web.Request, key: str) -> bytes:
    """Of whose request: nobody gets the answer to another's. Only digests are kept of keys."""
    parts = (request.headers.get("Authorization", ""), request.method, request.path_qs, key)
    return hashlib.sha256("\n".join(parts).encode(errors="surrogateescape")).digest()


def _answer(response: web.StreamResponse) -> _Answer | None:
    """What is kept of an answer; None: nothing."""
    if not isinstance(response, web.Response) or not 200 <= response.status < 300:
        return None
    body = response.body or b""
    if not isinstance(body, bytes) or len(body) > MAX_KEPT_BODY_BYTES:
        return None
    return _Answer(response.status, dict(response.headers), body)
