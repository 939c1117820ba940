"""What a session asks its surroundings to do, and what it tells them.

`SendDatagram` to `SelectPath` are for the media port and the flow listener; `Connected` to `Closed` are for the
session's listener.
"""

from enum import StrEnum
from typing import NamedTuple

from transceiver.media_port.interface import Path, SrtpKeys


class CloseReason(StrEnum):
    """Why a session ended. The value is a metric label."""

    CLIENT_CLOSED = "client_closed"
    """The client sent close_notify."""
    HANGUP = "hangup"
    """Ended through the API."""
    REFUSED = "refused"
    """No model took the call; the client got an HTTP error instead of an answer."""
    SETUP_TIMEOUT = "setup_timeout"
    CONSENT_EXPIRED = "consent_expired"
    MAX_DURATION = "max_duration"
    FINGERPRINT_MISMATCH = "fingerprint_mismatch"
    """The client's certificate is not the one its offer announced (RFC 8122)."""
    DTLS_FAILED = "dtls_failed"
    """The handshake failed: no common cipher or SRTP profile, or a fatal alert."""
    WORKER_ENDED = "worker_ended"
    WORKER_LOST = "worker_lost"
    SHUTDOWN = "shutdown"
    """This transceiver is going away."""


class SendDatagram(NamedTuple):
    """Send STUN or DTLS on `path`."""

    path: Path
    datagram: bytes


class SendRtp(NamedTuple):
    """Protect and send an RTP packet on `path`."""

    path: Path
    packet: bytes


class SendRtcp(NamedTuple):
    """Protect and send a compound RTCP packet on `path`."""

    path: Path
    packet: bytes


class SendFeedback(NamedTuple):
    """Tell the client on `path` of its packets, as far as that is due."""

    path: Path


class StartSrtp(NamedTuple):
    """DTLS has agreed on keys."""

    keys: SrtpKeys


class BindPath(NamedTuple):
    """An authenticated check came in on `path`. Repeated for every such check, as the relay may have changed."""

    path: Path


class UnbindPath(NamedTuple):
    """`path` is no longer the session's."""

    path: Path


class SelectPath(NamedTuple):
    """From now on the session sends on `path`."""

    path: Path


class RetireUfrag(NamedTuple):
    """Checks for `ufrag` are no longer answered: the client uses its successor."""

    ufrag: bytes


class IceRestarted(NamedTuple):
    """The client uses the credentials that the latest ICE restart gave it."""


class SsrcChanged(NamedTuple):
    """The client sends its audio under `ssrc` from now on."""

    ssrc: int


class Connected(NamedTuple):
    """DTLS is up: audio can be sent."""


class AudioReceived(NamedTuple):
    """One audio packet of the client, in order.

    Attributes:
        payload: the codec's frame(s), untouched.
        codec: "opus", "PCMU" or "PCMA".
        rtp_timestamp: in the codec's clock, counted from the session's first packet, unwrapped; over a change of SSRC
            it goes on by the time that has passed.
        sequence: extended sequence number, of its SSRC.
        marker: RTP marker bit: first packet of a talkspurt.
        level_dbov: audio level by RFC 6464 in -dBov, 0 (loudest) to 127; None if the client does not send it.
        lost_before: packets missing between the previous one and this.
    """

    payload: bytes
    codec: str
    rtp_timestamp: int
    sequence: int
    marker: bool
    level_dbov: int | None
    lost_before: int


class KeyPressed(NamedTuple):
    """The client has pressed and released a telephone key (RFC 4733).

    Attributes:
        key: one of "0123456789*#ABCD".
        duration_ms: how long.
    """

    key: str
    duration_ms: int


class ApplicationData(NamedTuple):
    """One DTLS application record: an SCTP packet."""

    data: bytes


class Closed(NamedTuple):
    """The session has ended; no more actions follow.

    Attributes:
        reason: why.
        farewell: what of the last actions is worth saying again, since the client may have missed it.
    """

    reason: CloseReason
    farewell: tuple[SendDatagram, ...] = ()


Action = (
    SendDatagram
    | SendRtp
    | SendRtcp
    | SendFeedback
    | StartSrtp
    | BindPath
    | UnbindPath
    | SelectPath
    | RetireUfrag
    | IceRestarted
    | SsrcChanged
    | Connected
    | AudioReceived
    | KeyPressed
    | ApplicationData
    | Closed
)
