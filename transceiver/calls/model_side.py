"""What a call's client side and model side say to each other.

The client side is a WebRTC session today; the model side is a worker, or the transceiver's own loopback.
"""

from typing import Protocol

from transceiver.calls.event_socket import EventSocket, SocketUser
from transceiver.quality.report import VoiceQuality
from transceiver.sdp.reception import Reception
from transceiver.session.actions import AudioReceived, CloseReason, KeyPressed
from transceiver.session.playout_delay import PlayoutDelay


class ClientSide(Protocol):
    """What a model side may do towards the client. Nothing blocks."""

    @property
    def id(self) -> str:
        """The call id, `rtc_…`."""

    @property
    def codec(self) -> str:
        """The audio codec agreed with the client: "opus", "PCMU" or "PCMA"."""

    @property
    def clock_rate(self) -> int:
        """Of the codec's RTP timestamps, in Hz."""

    @property
    def reception(self) -> Reception:
        """How the client wants to be sent audio."""

    @property
    def fraction_lost(self) -> float:
        """What share of our packets it has missed, by its last report."""

    @property
    def event_channel_id(self) -> int | None:
        """The data channel that carries the Realtime API's events; None while the client has none open."""

    @property
    def may_have_events(self) -> bool:
        """Whether the client has negotiated data channels, so that it may open one for events."""

    def follow(self, delay: PlayoutDelay, *, reorder: bool) -> None:
        """Tells a playout clock when the client's packets come; see `Session.follow`."""

    def send_audio(self, payload: bytes, rtp_timestamp: int, marker: bool) -> None:
        """Sends one codec frame now. `rtp_timestamp` counts from the first frame sent."""

    def schedule_audio(
        self, payload: bytes, rtp_timestamp: int, marker: bool, due: float, level_dbov: int | None
    ) -> None:
        """Sends one codec frame at `due` (monotonic seconds), behind those that wait: MAX_SCHEDULED of them at most.

        `level_dbov` tells the client how loud it is (RFC 6464), where that is known.
        """

    @property
    def audio_waiting(self) -> int:
        """How many scheduled frames have not left: the last ones."""

    @property
    def audio_unconfirmed(self) -> int | None:
        """How many frames have left since the newest that the client reports to have received; None: no report yet."""

    def take_back_audio(self) -> int:
        """Those will not leave, and their places in the stream are free. Returns how many they were."""

    def send_event(self, event: str) -> None:
        """Sends one event on the event channel; dropped if that is not open or its buffer full."""

    def send_message(self, channel_id: int, data: str | bytes) -> None:
        """Sends one message on a data channel of the client; dropped if that is closed or its buffer full."""

    def end(self, reason: CloseReason) -> None:
        """Ends the call in good order."""


class ModelSide(Protocol):
    """What a call asks of the model it is joined to. Nothing blocks."""

    def connected(self) -> None:
        """The client can hear from now on. Called once; until then what is sent to it is lost."""

    def events_opened(self) -> None:
        """The client can read events from now on."""

    def audio(self, frame: AudioReceived) -> None:
        """The client said this."""

    def key_pressed(self, press: KeyPressed) -> None:
        """The client pressed a telephone key."""

    def message(self, channel_id: int, data: str | bytes) -> None:
        """The client sent this on a data channel."""

    def sideband(self, socket: EventSocket, starting_after: int | None) -> SocketUser | None:
        """Somebody who listens to the events from beside; None where there are none. See `Sideband`."""

    def quality(self) -> VoiceQuality:
        """What the call's audio was like so far, as this side knows it."""

    def ending(self, reason: CloseReason) -> None:
        """The call is about to end: whoever can read events is to be told what that means. May come more than once."""

    def close(self, reason: CloseReason) -> None:
        """The call is over. Called once; nothing follows."""
