"""How long a payload plays, by what is in it."""

from offhook_proto.worker.v1 import worker_pb2

_OPUS_FRAME_US = (
    *(10_000, 20_000, 40_000, 60_000) * 3,  # SILK only
    *(10_000, 20_000) * 2,  # hybrid
    *(2_500, 5_000, 10_000, 20_000) * 4,  # CELT only
)
_OPUS_MAX_US = 120_000


def playing_time_us(payload: bytes, audio_format: worker_pb2.AudioFormat) -> int | None:
    """Its playing time; None where the payload is no audio of this format."""
    if audio_format.codec == worker_pb2.CODEC_OPUS:
        return _opus_us(payload)
    sample_bytes = 2 if audio_format.codec == worker_pb2.CODEC_PCM_S16LE else 1
    frame_bytes = sample_bytes * max(1, audio_format.channels)
    if not payload or len(payload) % frame_bytes:
        return None
    return len(payload) // frame_bytes * 1_000_000 // audio_format.sample_rate_hz


def _opus_us(packet: bytes) -> int | None:
    """RFC 6716, section 3.1: the table-of-contents byte.

          0 1 2 3 4 5 6 7
         +-+-+-+-+-+-+-+-+
         | config  |s| c |     config: mode, bandwidth, frame size; c: 0 one frame, 1 and 2 two, 3 a count follows
         +-+-+-+-+-+-+-+-+

    https://www.rfc-editor.org/rfc/rfc6716#section-3.1
    """
    if not packet:
        return None
    frame_us, code = _OPUS_FRAME_US[packet[0] >> 3], packet[0] & 0x03
    if code == 3 and len(packet) < 2:
        return None
    count = (1, 2, 2, packet[1] & 0x3F if code == 3 else 0)[code]
    total_us = frame_us * count
    return total_us if 0 < total_us <= _OPUS_MAX_US else None
