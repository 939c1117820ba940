"""What differs between the ways on which the Realtime API's events travel."""

from dataclasses import dataclass

KIB = 1024


@dataclass(frozen=True, slots=True)
class Transport:
    """Capabilities of one transport.

    Attributes:
        carries_audio: the caller's and the model's audio travel in events (WebSocket). Otherwise they have tracks of
            their own, the fabric plays out, and so it is the fabric that truncates what was not heard.
        max_event_bytes: of one server event in UTF-8; a longer one is not sent.
    """

    name: str
    carries_audio: bool
    max_event_bytes: int


# Chromium advertises 262144, and a peer that says nothing takes 65536 (RFC 8841 section 6.1).
DATA_CHANNEL = Transport("WebRTC", carries_audio=False, max_event_bytes=64 * KIB)

# The strictest client's receive limit is 1 MiB.
WEBSOCKET = Transport("WebSocket", carries_audio=True, max_event_bytes=1000 * KIB)
