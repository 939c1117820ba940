"""`GET /v1/realtime`: the Realtime API on a WebSocket, as the official SDKs open it.

?model=M                 a session of its own, whose events carry the audio
?intent=transcription    the same, which only transcribes
?call_id=rtc_…           beside a WebRTC call: its events, and what steers it; with `&starting_after=N` numbered, and
                         those after N first, so that a server whose connection broke misses nothing
"""

from aiohttp import web

from transceiver.calls.call_service import CallService
from transceiver.calls.errors import CallRefused
from transceiver.calls.event_feed import MAX_OBSERVERS, TooManyObservers
from transceiver.calls.event_socket import EventSocket, SocketUser
from transceiver.calls.socket_call import SocketCall
from transceiver.signalling.access.principal import Access, Principal
from transceiver.signalling.beta_socket import BetaSocket, BetaUser, speaks_beta
from transceiver.signalling.call_errors import refusal
from transceiver.signalling.call_request import wanted_session
from transceiver.signalling.calls_api import find_call
from transceiver.signalling.endpoint import Endpoint
from transceiver.signalling.errors import ApiError
from transceiver.signalling.event_connection import SocketWriter, carry, event_socket
from transceiver.signalling.owner import CallOwner


class RealtimeSocketApi:
    """The endpoint."""

    def __init__(self, calls: CallService, access: Access, owner: CallOwner) -> None:
        self._calls = calls
        self._access = access
        self._owner = owner

    def endpoint(self) -> Endpoint:
        """It."""
        return Endpoint(
            "GET",
            "/v1/realtime",
            self.connect,
            key="any",
            status=101,
            query={
                "model": "Model of a session of its own.",
                "intent": "`transcription`: a session that only transcribes.",
                "call_id": "Call to listen to and to steer.",
                "starting_after": "With `call_id`: number of the last event that is known; later ones come first.",
            },
        )

    async def connect(self, request: web.Request) -> web.StreamResponse:
        """Opens a session, or a call's sideband, then carries its events until either side ends it.

        Whatever is wrong before that is an HTTP error.
        """
        principal = self._access.anyone(request)
        socket = event_socket(request)
        if "call_id" in request.query:
            return await self._owner.handle_socket(request, request.query["call_id"], self._attach_here)
        writer = SocketWriter(socket)
        events: EventSocket = BetaSocket(writer) if speaks_beta(request) else writer
        call = await self._open(request, principal, events)
        call.open()
        return await carry(request, socket, writer, _user(request, call, events))

    async def _attach_here(self, request: web.Request, call_id: str) -> web.StreamResponse:
        call = find_call(self._calls, call_id, self._access.anyone(request))
        socket = event_socket(request)
        writer = SocketWriter(socket)
        events: EventSocket = BetaSocket(writer) if speaks_beta(request) else writer
        try:
            sideband = call.sideband(events, _starting_after(request))
        except TooManyObservers:
            message = f"{MAX_OBSERVERS} connections listen to this call already."
            raise ApiError(409, message, code="too_many_sidebands", param="call_id") from None
        if sideband is None:
            message = "This call has no events: its model echoes media tracks."
            raise ApiError(400, message, code="unsupported_call_type", param="call_id")
        return await carry(request, socket, writer, _user(request, sideband, events))

    async def _open(self, request: web.Request, principal: Principal, events: EventSocket) -> SocketCall:
        intent = request.query.get("intent")
        if intent not in {None, "transcription"}:
            message = "'intent' may be 'transcription' only."
            raise ApiError(400, message, code="invalid_value", param="intent")
        session = {"type": "transcription"} if intent is not None else {}
        wanted = wanted_session(principal, request.query.get("model"), session)
        quota = self._access.quota(principal)
        try:
            return await self._calls.open_socket(events, model=wanted.model, session=wanted.session, quota=quota)
        except CallRefused as error:
            raise refusal(error) from None


def _user(request: web.Request, user: SocketUser, events: EventSocket) -> SocketUser:
    return BetaUser(user, events) if speaks_beta(request) else user


def _starting_after(request: web.Request) -> int | None:
    text = request.query.get("starting_after")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        message = "'starting_after' must be the number of an event."
        raise ApiError(400, message, code="invalid_value", param="starting_after")
    return int(text)
