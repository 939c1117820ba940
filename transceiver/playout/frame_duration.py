"""Duration of a codec frame, read from its first bytes. Nothing is decoded."""

# Opus frame size by TOC configuration (RFC 6716 section 3.1, table 2, https://www.rfc-editor.org/rfc/rfc6716#section-3.1):
#
#      0 1 2 3 4 5 6 7
#     +-+-+-+-+-+-+-+-+
#     | config  |s| c |     c: 0 = one frame, 1 and 2 = two frames, 3 = a count in the next byte's low six bits
#     +-+-+-+-+-+-+-+-+
_SILK_US = (10_000, 20_000, 40_000, 60_000)
_HYBRID_US = (10_000, 20_000)
_CELT_US = (2_500, 5_000, 10_000, 20_000)
_OPUS_FRAME_US = _SILK_US * 3 + _HYBRID_US * 2 + _CELT_US * 4

LONGEST_OPUS_PACKET_US = 120_000
MICROSECONDS_PER_G711_BYTE = 125


def opus_duration_us(packet: bytes) -> int:
    """Duration of an Opus packet in microseconds; 0 if it is none (empty, or longer than 120 ms)."""
    if not packet:
        return 0
    code = packet[0] & 0x03
    if code == 3:
        if len(packet) < 2:
            return 0
        frames = packet[1] & 0x3F
    else:
        frames = 1 if code == 0 else 2
    duration_us = frames * _OPUS_FRAME_US[packet[0] >> 3]
    return duration_us if duration_us <= LONGEST_OPUS_PACKET_US else 0


def duration_us(codec: str, payload: bytes) -> int:
    """Duration of a payload of `codec` ("opus", "PCMU" or "PCMA"); 0 if it is malformed."""
    if codec == "opus":
        return opus_duration_us(payload)
    return len(payload) * MICROSECONDS_PER_G711_BYTE
