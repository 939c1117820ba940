"""Model `loopback`: the caller's own audio and data channel messages, sent back by the transceiver itself.

Needs no worker: it tells a fault of the media path from a fault of the workers, and benchmarks measure it.
"""

from transceiver.calls.event_socket import EventSocket
from transceiver.calls.model_side import ClientSide
from transceiver.quality.report import VoiceQuality
from transceiver.session.actions import AudioReceived, CloseReason, KeyPressed

MODEL = "loopback"


class Loopback:
    """A model side that is its own client's echo."""

    def __init__(self, client: ClientSide) -> None:
        self._client = client

    def connected(self) -> None:
        """Nothing has waited for it."""

    def events_opened(self) -> None:
        """There is no session to tell of."""

    def audio(self, frame: AudioReceived) -> None:
        """Sends the frame back at once, on the client's own timeline."""
        self._client.send_audio(frame.payload, frame.rtp_timestamp, frame.marker)

    def key_pressed(self, press: KeyPressed) -> None:
        """Keys have no echo."""

    def message(self, channel_id: int, data: str | bytes) -> None:
        """Sends the message back, on its own channel and of its own kind."""
        self._client.send_message(channel_id, data)

    def sideband(self, socket: EventSocket, starting_after: int | None) -> None:
        """There are no events to listen to."""

    def quality(self) -> VoiceQuality:
        """It decodes nothing, and says nothing of its own."""
        return VoiceQuality()

    def ending(self, reason: CloseReason) -> None:
        """It has no events."""

    def close(self, reason: CloseReason) -> None:
        """Nothing is held."""
