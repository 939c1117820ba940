"""Data Channel Establishment Protocol: the two messages of RFC 8832.

https://www.rfc-editor.org/rfc/rfc8832#section-5
"""

from __future__ import annotations

import struct
from typing import NamedTuple

MESSAGE_ACK = 0x02
MESSAGE_OPEN = 0x03

UNORDERED = 0x80
"""Bit of the channel type: messages may overtake each other (RFC 8832 section 5.1)."""
RELIABLE = 0x00
LIMITED_RETRANSMITS = 0x01
LIMITED_LIFETIME = 0x02

_OPEN = struct.Struct("!BBHIHH")
_RELIABILITIES = (RELIABLE, LIMITED_RETRANSMITS, LIMITED_LIFETIME)


class MalformedDcepError(Exception):
    """The bytes are no DCEP message; one line says why."""


class OpenMessage(NamedTuple):
    """DATA_CHANNEL_OPEN.

    Attributes:
        label: the application's name for the channel, "oai-events" for example.
        protocol: subprotocol, often empty.
        ordered: whether messages arrive in the order sent.
        max_retransmits: how often a lost message is retried; None: no limit of this kind.
        lifetime_ms: how long a message is tried; None: no limit of this kind.
    """

    label: str
    protocol: str = ""
    ordered: bool = True
    max_retransmits: int | None = None
    lifetime_ms: int | None = None


class AckMessage(NamedTuple):
    """DATA_CHANNEL_ACK: one byte, no content."""


def encode_open(message: OpenMessage) -> bytes:
    """Encodes DATA_CHANNEL_OPEN (RFC 8832 section 5.1), as drawn in `decode`.

    Raises ValueError if label or protocol exceed 65535 bytes of UTF-8, or a parameter 32 bits.
    """
    kind, parameter = RELIABLE, 0
    if message.max_retransmits is not None:
        kind, parameter = LIMITED_RETRANSMITS, message.max_retransmits
    elif message.lifetime_ms is not None:
        kind, parameter = LIMITED_LIFETIME, message.lifetime_ms
    label, protocol = message.label.encode(), message.protocol.encode()
    if max(len(label), len(protocol)) > 0xFFFF or not 0 <= parameter <= 0xFFFFFFFF:
        raise ValueError("label, protocol or reliability parameter does not fit its field")
    channel_type = kind if message.ordered else kind | UNORDERED
    header = _OPEN.pack(MESSAGE_OPEN, channel_type, 0, parameter, len(label), len(protocol))
    return header + label + protocol


def encode_ack() -> bytes:
    """Encodes DATA_CHANNEL_ACK (RFC 8832 section 5.2)."""
    return bytes((MESSAGE_ACK,))


def decode(data: bytes) -> OpenMessage | AckMessage:
    r"""Decodes one DCEP message. Raises MalformedDcepError.

    ```
     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |  Message Type |  Channel Type |            Priority           |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |                    Reliability Parameter                      |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |         Label Length          |       Protocol Length         |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    \                     Label, then Protocol                      /
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    ```
    """
    if data[:1] == bytes((MESSAGE_ACK,)):
        return AckMessage()
    if data[:1] != bytes((MESSAGE_OPEN,)):
        raise MalformedDcepError("unknown message type")
    if len(data) < _OPEN.size:
        raise MalformedDcepError("truncated DATA_CHANNEL_OPEN")
    _, channel_type, _, parameter, label_bytes, protocol_bytes = _OPEN.unpack_from(data)
    kind = channel_type & ~UNORDERED
    if kind not in _RELIABILITIES:
        raise MalformedDcepError("unknown channel type")
    if len(data) != _OPEN.size + label_bytes + protocol_bytes:
        raise MalformedDcepError("label and protocol do not fill the message")
    label_end = _OPEN.size + label_bytes
    try:
        label, protocol = data[_OPEN.size : label_end].decode(), data[label_end:].decode()
    except UnicodeDecodeError as error:
        raise MalformedDcepError("label or protocol is not UTF-8") from error
    return OpenMessage(
        label=label,
        protocol=protocol,
        ordered=not channel_type & UNORDERED,
        max_retransmits=parameter if kind == LIMITED_RETRANSMITS else None,
        lifetime_ms=parameter if kind == LIMITED_LIFETIME else None,
    )
