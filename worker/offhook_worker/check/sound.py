"""What is said to a worker, in frames of the session's input format."""

import math
import struct
from collections.abc import Iterator, Sequence

from offhook_proto.worker.v1 import worker_pb2

FRAME_MS = 20
_OPUS_SILENCE = b"\xf8\xff\xfe"
"""20 ms of silence, which every decoder takes (RFC 6716, a CELT frame of full band). No encoder is at hand here."""


def frames(
    audio_format: worker_pb2.AudioFormat, seconds: float, speech: bytes = b"", speech_rate_hz: int = 16_000
) -> list[bytes]:
    """Payloads of 20 ms each: of `speech` (16-bit mono), or of a made-up sound.

    Args:
        seconds: their length; a shorter `speech` is followed by silence.
    """
    count = round(seconds * 1000 / FRAME_MS)
    if audio_format.codec == worker_pb2.CODEC_OPUS:
        return [_OPUS_SILENCE] * count
    rate, channels = audio_format.sample_rate_hz, max(1, audio_format.channels)
    per_frame = rate * FRAME_MS // 1000
    samples = _resampled(speech, speech_rate_hz, rate) if speech else list(_babble(rate, count * per_frame))
    samples = samples[: count * per_frame] + [0] * (count * per_frame - len(samples))
    return [_encoded(audio_format.codec, samples[at : at + per_frame], channels) for at in _steps(samples, per_frame)]


def silence(audio_format: worker_pb2.AudioFormat, seconds: float) -> list[bytes]:
    """Payloads of 20 ms each in which nothing is heard."""
    quiet = bytes(2 * int(seconds * 16_000))
    return frames(audio_format, seconds, quiet)


def _steps(samples: Sequence[int], step: int) -> range:
    return range(0, len(samples), step)


def _babble(rate: int, count: int) -> Iterator[int]:
    """A buzz of 140 Hz with two formants, in four syllables a second."""
    for index in range(count):
        at = index / rate
        loudness = max(0.0, math.sin(2 * math.pi * 4 * at)) * 6000
        wave = math.sin(880 * at) + 0.6 * math.sin(2 * math.pi * 560 * at) + 0.3 * math.sin(2 * math.pi * 1400 * at)
        yield round(loudness * wave)


def _resampled(pcm: bytes, from_hz: int, to_hz: int) -> list[int]:
    """Linear interpolation: rough, and a recogniser understands it."""
    known = struct.unpack(f"<{len(pcm) // 2}h", pcm[: len(pcm) // 2 * 2])
    if from_hz == to_hz:
        return list(known)
    made = []
    for index in range(len(known) * to_hz // from_hz):
        at, part = divmod(index * from_hz, to_hz)
        after = known[min(at + 1, len(known) - 1)]
        made.append(known[at] + (after - known[at]) * part // to_hz)
    return made


def _encoded(codec: worker_pb2.Codec.ValueType, samples: Sequence[int], channels: int) -> bytes:
    if codec == worker_pb2.CODEC_PCMU:
        return bytes(map(_mu_law, samples))
    if codec == worker_pb2.CODEC_PCMA:
        return bytes(map(_a_law, samples))
    every = [sample for sample in samples for _ in range(channels)]
    return struct.pack(f"<{len(every)}h", *every)


def _mu_law(sample: int) -> int:
    """ITU-T G.711, 8 bit: sign, exponent, mantissa, inverted."""
    sign, magnitude = (0x80, -sample) if sample < 0 else (0, sample)
    magnitude = min(magnitude, 32_635) + 132
    exponent = magnitude.bit_length() - 8
    return ~(sign | exponent << 4 | magnitude >> (exponent + 3) & 0x0F) & 0xFF


def _a_law(sample: int) -> int:
    """ITU-T G.711, 8 bit: sign, exponent, mantissa, every other bit inverted."""
    sign, magnitude = (0, -sample - 1) if sample < 0 else (0x80, sample)
    magnitude = min(magnitude, 32_767)
    exponent = max(0, magnitude.bit_length() - 8)
    mantissa = magnitude >> (exponent + 3 if exponent else 4) & 0x0F
    return (sign | exponent << 4 | mantissa) ^ 0x55
