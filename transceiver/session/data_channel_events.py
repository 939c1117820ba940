"""What data channels tell their owner, and the bounds it sets them."""

from typing import NamedTuple

from transceiver.sdp.answer import MAX_MESSAGE_SIZE


class ChannelLimits(NamedTuple):
    """Bounds of one session's data channels.

    Attributes:
        max_channels: channels open at a time; a Realtime client opens one.
        max_message_bytes: longest message, both ways; what our answers announce (RFC 8841 section 6).
        max_buffered_bytes: what may wait in each direction, sent and not acknowledged or received and not taken.
        max_label_bytes: longest label, and longest protocol, in UTF-8.
    """

    max_channels: int = 16
    max_message_bytes: int = MAX_MESSAGE_SIZE
    max_buffered_bytes: int = 1_048_576
    max_label_bytes: int = 256


class ChannelOpened(NamedTuple):
    """A channel can be used: the peer opened it, or acknowledged ours."""

    channel_id: int
    label: str
    protocol: str


class MessageReceived(NamedTuple):
    """One message: str from a text message, bytes from a binary one."""

    channel_id: int
    data: str | bytes


class ChannelClosed(NamedTuple):
    """A channel ended: closed by either side, or with the association."""

    channel_id: int
    label: str


class AssociationClosed(NamedTuple):
    """SCTP is over; no channel works any more. The last event.

    Attributes:
        reason: one short line.
        by_peer: whether the peer has shut it down or aborted it. No WebRTC interface lets an application do that but by
            closing its connection, and for some libraries it is the only word of their leaving.
    """

    reason: str
    by_peer: bool


ChannelEvent = ChannelOpened | MessageReceived | ChannelClosed | AssociationClosed


class ChannelError(Exception):
    """A channel cannot do what was asked; one line says why."""
