"""A connection whose client speaks the beta's dialect: it and what is behind it need not know."""

import json

from aiohttp import web

from transceiver.calls.event_socket import EventSocket, SocketUser
from transceiver.realtime.beta.events import beta_event, present_event
from transceiver.realtime.errors import EventError
from transceiver.realtime.schema import server_events
from transceiver.session.actions import CloseReason

BETA_HEADER = "realtime=v1"
BETA_SUBPROTOCOL = "openai-beta.realtime-v1"


def speaks_beta(request: web.Request) -> bool:
    """Whether a client asks for the beta's names: clients of today name no beta."""
    named = request.headers.get("OpenAI-Beta", "")
    offered = request.headers.get("Sec-WebSocket-Protocol", "")
    return BETA_HEADER in named or BETA_SUBPROTOCOL in (each.strip() for each in offered.split(","))


class BetaSocket:
    """Sends events as the beta had them. Implements EventSocket."""

    def __init__(self, socket: EventSocket) -> None:
        self._socket = socket

    def send(self, event: str) -> None:
        """See EventSocket."""
        translated = beta_event(json.loads(event))
        if translated is not None:
            self._socket.send(json.dumps(translated))

    def end(self, reason: CloseReason) -> None:
        """See EventSocket."""
        self._socket.end(reason)


class BetaUser:
    """Reads events as the beta had them. Implements SocketUser."""

    def __init__(self, user: SocketUser, socket: EventSocket) -> None:
        self._user = user
        self._socket = socket

    def client_text(self, text: str) -> None:
        """See SocketUser."""
        try:
            event = json.loads(text)
        except (ValueError, RecursionError):
            # What is wrong is said where all else is.
            self._user.client_text(text)
            return
        try:
            translated = present_event(event) if isinstance(event, dict) else event
        except EventError as error:
            event_id = event.get("event_id")
            refusal = server_events.error(
                kind=error.kind,
                code=error.code,
                message=error.message,
                param=error.param,
                event_id=event_id if isinstance(event_id, str) else None,
            )
            self._socket.send(json.dumps(refusal))
            return
        self._user.client_text(json.dumps(translated))

    async def ready(self) -> None:
        """See SocketUser."""
        await self._user.ready()

    def left(self) -> None:
        """See SocketUser."""
        self._user.left()
