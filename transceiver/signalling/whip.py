"""WHIP (RFC 9725, https://www.rfc-editor.org/rfc/rfc9725): the standard's own way to place and end a call.

POST   /whip[?model=M]   offer → 201, answer, Location: /whip/{call_id}, ETag of the ICE session
PATCH  /whip/{call_id}   trickled candidates → 204 (an ICE-lite agent needs none); new credentials → ICE restart
DELETE /whip/{call_id}   ends the call
"""

from aiohttp import web

from transceiver.calls.call import Call
from transceiver.calls.call_service import CallService
from transceiver.signalling.access.principal import Access
from transceiver.signalling.call_request import place_call
from transceiver.signalling.calls_api import find_call
from transceiver.signalling.endpoint import SDP, TEXT, Endpoint
from transceiver.signalling.errors import ApiError
from transceiver.signalling.ice_fragment import parse_ice_fragment
from transceiver.signalling.owner import CallOwner

FRAGMENT = "application/trickle-ice-sdpfrag"


def _etag(call: Call) -> str:
    """Names the ICE session, so it changes with every ICE restart (RFC 9725 section 4.3.1)."""
    return f'"{call.ice_generation}"'


class WhipApi:
    """Handlers of the WHIP endpoint and of the resources it creates."""

    def __init__(self, calls: CallService, access: Access, owner: CallOwner) -> None:
        self._calls = calls
        self._access = access
        self._owner = owner

    def endpoints(self) -> list[Endpoint]:
        """All of them."""
        call = "/whip/{call_id}"
        return [
            Endpoint(
                "POST",
                "/whip",
                self.create,
                key="any",
                status=201,
                body={SDP: TEXT},
                answer={SDP: TEXT},
                query={"model": "Model of the call."},
                headers={"Location": "Path of the call.", "ETag": "Of the ICE session."},
            ),
            Endpoint("OPTIONS", "/whip", self.options, key="none", status=204, headers={"Accept-Post": SDP}),
            Endpoint("PATCH", call, self.patch, key="any", body={FRAGMENT: TEXT}, answer={FRAGMENT: TEXT}),
            Endpoint("DELETE", call, self.delete, key="any"),
        ]

    async def options(self, _request: web.Request) -> web.Response:
        """What may be posted here (RFC 9725 section 4.2)."""
        return web.Response(status=204, headers={"Accept-Post": SDP, "Allow": "POST, OPTIONS"})

    async def create(self, request: web.Request) -> web.Response:
        """Places a call."""
        call = await place_call(self._calls, self._access, request)
        headers = {"Location": f"/whip/{call.id}", "ETag": _etag(call), "Accept-Patch": FRAGMENT}
        return web.Response(status=201, text=call.answer, content_type=SDP, headers=headers)

    async def patch(self, request: web.Request) -> web.StreamResponse:
        """Trickle ICE or ICE restart."""
        self._access.anyone(request)
        return await self._owner.handle(request, self._patch_here)

    async def _patch_here(self, request: web.Request, call_id: str) -> web.Response:
        call = find_call(self._calls, call_id, self._access.anyone(request))
        if request.content_type != FRAGMENT:
            raise ApiError(415, f"Send {FRAGMENT}.", code="unsupported_content_type")
        wanted = request.headers.get("If-Match")
        if wanted is None:
            raise ApiError(428, "PATCH needs an If-Match header with the ETag of the ICE session.", code="etag_missing")
        fragment = parse_ice_fragment(await request.read())
        if wanted != "*":
            if wanted != _etag(call):
                raise ApiError(412, "The ICE session has restarted since this ETag.", code="etag_mismatch")
            return web.Response(status=204)
        restarted = call.restart_ice(fragment.ufrag, fragment.pwd)
        return web.Response(text=restarted, content_type=FRAGMENT, headers={"ETag": _etag(call)})

    async def delete(self, request: web.Request) -> web.StreamResponse:
        """Ends the call."""
        self._access.anyone(request)
        return await self._owner.handle(request, self._delete_here)

    async def _delete_here(self, request: web.Request, call_id: str) -> web.Response:
        find_call(self._calls, call_id, self._access.anyone(request)).hang_up()
        return web.Response(status=200)
