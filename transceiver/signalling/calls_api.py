"""`/v1/realtime/calls`: placing calls and controlling them, as the official SDKs do it."""

from aiohttp import web

from transceiver.calls.call import Call
from transceiver.calls.call_service import CallService
from transceiver.signalling.access.principal import Access, Principal
from transceiver.signalling.answer_schema import SESSION_SCHEMA
from transceiver.signalling.call_request import model_of, place_call
from transceiver.signalling.endpoint import FORM, JSON, SDP, TEXT, Endpoint
from transceiver.signalling.errors import ApiError
from transceiver.signalling.json_body import read_body, read_object
from transceiver.signalling.owner import CallOwner, no_such_call
from transceiver.signalling.request_schema import ReferRequest, RejectRequest


def find_call(calls: CallService, call_id: str, principal: Principal) -> Call:
    """A live call that `principal` may control.

    Raises:
        ApiError: 404. Also where the call is another's: that it exists is none of their business.
    """
    call = calls.find(call_id)
    if call is None or not principal.may_control(call.placed_by):
        raise no_such_call(call_id)
    return call


OFFER_FORM = {
    "type": "object",
    "properties": {"sdp": {"type": "string", "description": "The offer."}, "session": SESSION_SCHEMA},
    "required": ["sdp"],
}


class CallsApi:
    """Handlers of the Realtime API's call endpoints."""

    def __init__(self, calls: CallService, access: Access, owner: CallOwner) -> None:
        self._calls = calls
        self._access = access
        self._owner = owner

    def endpoints(self) -> list[Endpoint]:
        """All of them."""
        call = "/v1/realtime/calls/{call_id}"
        # The second is the beta's name of the first.
        placing = [
            Endpoint(
                "POST",
                path,
                self.create,
                key="any",
                status=201,
                body={SDP: TEXT, FORM: OFFER_FORM},
                answer={SDP: TEXT},
                query={"model": "Model of a call whose session names none."},
                headers={"Location": "Path of the call; its last segment is the call's id."},
            )
            for path in ("/v1/realtime/calls", "/v1/realtime")
        ]
        return [
            *placing,
            Endpoint("POST", f"{call}/hangup", self.hang_up, key="any"),
            Endpoint("POST", f"{call}/accept", self.accept, key="server", body={JSON: SESSION_SCHEMA}),
            Endpoint("POST", f"{call}/reject", self.reject, key="server", body={JSON: RejectRequest}),
            Endpoint("POST", f"{call}/refer", self.refer, key="server", body={JSON: ReferRequest}),
        ]

    async def create(self, request: web.Request) -> web.Response:
        """SDP offer in, SDP answer out; `Location` names the call."""
        call = await place_call(self._calls, self._access, request)
        return web.Response(
            status=201,
            text=call.answer,
            content_type=SDP,
            headers={"Location": f"/v1/realtime/calls/{call.id}"},
        )

    async def hang_up(self, request: web.Request) -> web.StreamResponse:
        """Ends a call. The SDKs send a JSON content type and no body, so the body is not looked at."""
        self._access.anyone(request)
        return await self._owner.handle(request, self._hang_up_here)

    async def _hang_up_here(self, request: web.Request, call_id: str) -> web.Response:
        find_call(self._calls, call_id, self._access.anyone(request)).hang_up()
        return web.Response(status=200)

    async def accept(self, request: web.Request) -> web.StreamResponse:
        """Answers a SIP call that rings."""
        self._access.server(request)
        session = await read_object(request)
        if session.get("type") != "realtime":
            raise ApiError(400, "'type' must be 'realtime' here.", code="invalid_value", param="type")
        model_of(session)
        return await self._owner.handle(request, self._control_sip_here)

    async def reject(self, request: web.Request) -> web.StreamResponse:
        """Turns a SIP call that rings away."""
        self._access.server(request)
        await read_body(request, RejectRequest)
        return await self._owner.handle(request, self._control_sip_here)

    async def refer(self, request: web.Request) -> web.StreamResponse:
        """Sends the other end of a SIP call elsewhere."""
        self._access.server(request)
        await read_body(request, ReferRequest)
        return await self._owner.handle(request, self._control_sip_here)

    async def _control_sip_here(self, request: web.Request, call_id: str) -> web.Response:
        find_call(self._calls, call_id, self._access.server(request))
        action = request.path.rpartition("/")[2]
        message = f"'{action}' is for SIP calls; '{call_id}' is a WebRTC call."
        raise ApiError(400, message, code="unsupported_call_type", param="call_id")
