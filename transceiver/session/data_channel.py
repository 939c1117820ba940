"""WebRTC data channels over one SCTP association, without I/O.

RFC 8831 (channels, https://www.rfc-editor.org/rfc/rfc8831) and RFC 8832 (how they open). A channel is an SCTP stream
with a name. Its life:

```
    none --- OPEN from the peer, answered with ACK ---> open --- reset by either side ---> none
    none --- OPEN sent ---> opening --- ACK ---> open
```

Inputs: DTLS application data and time. Outputs: `take_datagrams()` for DTLS, `take_events()` for the owner.

**Back-pressure.** A message of the peer is taken from SCTP only while less than half of the send buffer waits for the
peer, so one that asks and does not read the answers fills its receive window and is stopped by SCTP itself. Nothing
that it was let send is lost, and there is room left for what the owner says unasked.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from offhook_datapath import BufferFull, SctpError

from transceiver.session.data_channel_events import (
    AssociationClosed,
    ChannelClosed,
    ChannelError,
    ChannelEvent,
    ChannelLimits,
    ChannelOpened,
    MessageReceived,
)
from transceiver.session.dcep import MalformedDcepError, OpenMessage, decode, encode_ack, encode_open

if TYPE_CHECKING:
    from offhook_datapath import SctpAssociation

# Payload protocol identifiers, RFC 8831 section 8. An empty message travels as one byte under an identifier of its own,
# because SCTP has none (section 6.6).
_PPID_DCEP = 50
_PPID_STRING = 51
_PPID_BINARY = 53
_PPID_STRING_EMPTY = 56
_PPID_BINARY_EMPTY = 57
_ABORTED_BY_PEER = "aborted by peer"
"""The association's close reason after an ABORT chunk."""


@dataclass(slots=True)
class _Channel:
    parameters: OpenMessage
    acknowledged: bool


class DataChannels:
    """The data channels of one session.

    Nothing a peer sends raises: what makes no sense is counted in `dropped` and its stream is closed.
    After any other call, send `take_datagrams()`, handle `take_events()` and arm `next_timeout()`.
    """

    def __init__(
        self,
        association: SctpAssociation,
        *,
        dtls_client: bool,
        limits: ChannelLimits,
        peer_max_message_bytes: int | None = None,
    ) -> None:
        self._association = association
        self._peer_max_message_bytes = peer_max_message_bytes
        self._limits = limits
        # RFC 8832 section 6: the DTLS client opens even streams, the server odd ones, so that both can open at once.
        self._first_id = 0 if dtls_client else 1
        self._channels: dict[int, _Channel] = {}
        self._events: deque[ChannelEvent] = deque()
        self._closing = self._ended = False
        self.dropped = 0
        """Packets and messages of the peer that make no sense, or are more than it may send."""

    @property
    def connected(self) -> bool:
        """True while messages can be sent."""
        return self._association.state == "connected"

    def receive(self, datagram: bytes, now: float) -> None:
        """Takes one record of DTLS application data."""
        if not self._association.receive(datagram, now):
            self.dropped += 1

    def next_timeout(self) -> float | None:
        """When `handle_timeout` wants to be called."""
        return self._association.timeout()

    def handle_timeout(self, now: float) -> None:
        """Lets SCTP retransmit."""
        self._association.handle_timeout(now)

    def take_datagrams(self) -> list[bytes]:
        """SCTP packets to send now, each as one DTLS record."""
        return self._association.take_datagrams()

    def take_events(self) -> Iterator[ChannelEvent]:
        """What happened since the last call, in order: each when the one before has been handled.

        Ends early where the peer has to read first; a datagram of the peer makes it go on.
        """
        while self._events or self._process():
            yield self._events.popleft()

    def open(self, label: str, *, protocol: str = "", ordered: bool = True) -> int:
        """Opens a channel and returns its id; `ChannelOpened` follows when the peer has acknowledged it.

        Messages may be sent at once. Raises ChannelError if SCTP is not connected or the channels are used up.
        """
        if len(self._channels) >= self._limits.max_channels:
            raise ChannelError("all channels are in use")
        channel_id = next(n for n in range(self._first_id, 0x10000, 2) if n not in self._channels)
        parameters = OpenMessage(label, protocol, ordered)
        try:
            self._association.open_stream(channel_id)
            self._association.send(channel_id, _PPID_DCEP, encode_open(parameters))
        except SctpError as error:
            raise ChannelError(f"cannot open a channel: {error}") from error
        self._channels[channel_id] = _Channel(parameters, acknowledged=False)
        return channel_id

    def send_text(self, channel_id: int, text: str) -> None:
        """Queues a text message. Raises ChannelError if the channel is not open, the buffer full or it is too long."""
        self._send(channel_id, text.encode(), _PPID_STRING, _PPID_STRING_EMPTY)

    def send_binary(self, channel_id: int, data: bytes) -> None:
        """Queues a binary message. Raises ChannelError as `send_text` does."""
        self._send(channel_id, data, _PPID_BINARY, _PPID_BINARY_EMPTY)

    def buffered_amount(self, channel_id: int) -> int:
        """Bytes sent on the channel and not yet acknowledged. Raises ChannelError if it is not open."""
        try:
            return self._association.buffered_amount(channel_id)
        except SctpError as error:
            raise ChannelError(str(error)) from error

    def close_channel(self, channel_id: int) -> None:
        """Closes a channel once its messages are delivered; `ChannelClosed` follows. Harmless if it is not open."""
        if channel_id in self._channels:
            self._reset(channel_id)

    def close(self) -> None:
        """Shuts SCTP down in order; `AssociationClosed` follows."""
        self._closing = True
        self._association.close()

    def hang_up(self) -> bytes | None:
        """Ends SCTP at once, as closing a connection does in browsers. Returns the packet that tells the peer."""
        self._closing = True
        return self._association.hang_up()

    def _send(self, channel_id: int, data: bytes, ppid: int, ppid_empty: int) -> None:
        channel = self._channels.get(channel_id)
        if channel is None:
            raise ChannelError(f"channel {channel_id} is not open")
        if self._peer_max_message_bytes is not None and len(data) > self._peer_max_message_bytes:
            raise ChannelError(f"{len(data)} bytes are more than the peer takes in one message")
        parameters = channel.parameters
        try:
            self._association.send(
                channel_id,
                ppid if data else ppid_empty,
                data or b"\0",
                # RFC 8832 section 6: until the ACK, in order, lest a message overtake its OPEN.
                ordered=parameters.ordered or not channel.acknowledged,
                max_retransmits=parameters.max_retransmits,
                lifetime_ms=parameters.lifetime_ms,
            )
        except (SctpError, ValueError) as error:
            raise ChannelError(f"cannot send on channel {channel_id}: {error}") from error

    def _process(self) -> bool:
        """Looks for what has happened; whether there is an event."""
        while not self._events and self._has_room and (message := self._association.take_message()) is not None:
            stream_id, ppid, data = message
            if ppid == _PPID_DCEP:
                self._control_received(stream_id, data)
            else:
                self._message_received(stream_id, ppid, data)
        if self._events:
            return True
        for stream_id in self._association.take_ended_streams():
            self._channel_ended(stream_id)
        # A peer that shuts down is gone, whether or not it waits for our answer.
        shut_down_by_peer = self._association.state == "closing" and not self._closing
        if (shut_down_by_peer or self._association.state == "closed") and not self._ended:
            self._ended = True
            for stream_id in tuple(self._channels):
                self._channel_ended(stream_id)
            reason = self._association.close_reason or "shut down"
            self._events.append(AssociationClosed(reason, shut_down_by_peer or reason == _ABORTED_BY_PEER))
        return bool(self._events)

    @property
    def _has_room(self) -> bool:
        return 2 * self._association.total_buffered() < self._limits.max_buffered_bytes

    def _control_received(self, stream_id: int, data: bytes) -> None:
        try:
            message = decode(data)
        except MalformedDcepError:
            self._refuse(stream_id)
            return
        channel = self._channels.get(stream_id)
        if isinstance(message, OpenMessage):
            if channel is None and self._acceptable(message):
                self._accept(stream_id, message)
            else:
                self._refuse(stream_id)
        elif channel is not None and not channel.acknowledged:
            channel.acknowledged = True
            self._announce(stream_id, channel.parameters)
        else:
            self.dropped += 1

    def _acceptable(self, message: OpenMessage) -> bool:
        longest = max(len(message.label.encode()), len(message.protocol.encode()))
        return len(self._channels) < self._limits.max_channels and longest <= self._limits.max_label_bytes

    def _accept(self, stream_id: int, message: OpenMessage) -> None:
        try:
            self._association.send(stream_id, _PPID_DCEP, encode_ack())
        except BufferFull:
            self._refuse(stream_id)
            return
        except SctpError:
            # The stream or the association ended behind this message; there is no one to answer.
            self.dropped += 1
            return
        self._channels[stream_id] = _Channel(message, acknowledged=True)
        self._announce(stream_id, message)

    def _announce(self, stream_id: int, parameters: OpenMessage) -> None:
        self._events.append(ChannelOpened(stream_id, parameters.label, parameters.protocol))

    def _message_received(self, stream_id: int, ppid: int, data: bytes) -> None:
        content: str | bytes | None = None
        if ppid == _PPID_STRING:
            content = _text(data)
        elif ppid == _PPID_BINARY:
            content = data
        elif ppid == _PPID_STRING_EMPTY:
            content = ""
        elif ppid == _PPID_BINARY_EMPTY:
            content = b""
        if stream_id not in self._channels or content is None:
            self._refuse(stream_id)
        else:
            self._events.append(MessageReceived(stream_id, content))

    def _refuse(self, stream_id: int) -> None:
        """RFC 8832 section 6: what does not fit is answered by closing its stream."""
        self.dropped += 1
        self._reset(stream_id)

    def _reset(self, stream_id: int) -> None:
        try:
            self._association.close_stream(stream_id)
        except SctpError:
            # Already closed, or closing with the association: what was asked for is happening.
            return

    def _channel_ended(self, stream_id: int) -> None:
        channel = self._channels.pop(stream_id, None)
        if channel is not None:
            self._events.append(ChannelClosed(stream_id, channel.parameters.label))


def _text(data: bytes) -> str | None:
    """The text of a message, or None: PPID 51 promises UTF-8 (RFC 8831 section 8)."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None
