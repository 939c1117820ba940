"""What a worker offers: models, the audio they take and give, and what else they can do."""

from dataclasses import dataclass
from enum import IntEnum

from offhook_proto.worker.v1 import worker_pb2


class Codec(IntEnum):
    """How an audio payload is coded; the numbers are those of the protocol."""

    OPUS = worker_pb2.CODEC_OPUS
    PCM_S16LE = worker_pb2.CODEC_PCM_S16LE
    """Signed 16-bit little-endian samples, channels interleaved."""
    PCMU = worker_pb2.CODEC_PCMU
    PCMA = worker_pb2.CODEC_PCMA


class Capability(IntEnum):
    """What a model does beyond audio in, audio out; the numbers are those of the protocol."""

    TEXT_INPUT = worker_pb2.CAPABILITY_TEXT_INPUT
    IMAGE_INPUT = worker_pb2.CAPABILITY_IMAGE_INPUT
    TEXT_OUTPUT = worker_pb2.CAPABILITY_TEXT_OUTPUT
    INPUT_TRANSCRIPTION = worker_pb2.CAPABILITY_INPUT_TRANSCRIPTION
    FUNCTION_CALLS = worker_pb2.CAPABILITY_FUNCTION_CALLS
    OWN_TURN_DETECTION = worker_pb2.CAPABILITY_OWN_TURN_DETECTION
    """Detects turns itself and wants no turn events."""
    HISTORY = worker_pb2.CAPABILITY_HISTORY
    """Can take over a conversation from another worker."""


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """A codec at a sample rate in Hz (48 000 for Opus whatever it carries, 8 000 for PCMU and PCMA)."""

    codec: Codec
    sample_rate_hz: int
    channels: int = 1


OPUS = AudioFormat(Codec.OPUS, 48_000, 2)
"""Opus as WebRTC negotiates it (RFC 7587): always 48 kHz and 2 channels in name, mono on the wire as a rule."""
PCMU = AudioFormat(Codec.PCMU, 8_000)
PCMA = AudioFormat(Codec.PCMA, 8_000)


def pcm(sample_rate_hz: int, channels: int = 1) -> AudioFormat:
    """16-bit samples at a rate of the author's choice; the fabric decodes and resamples."""
    return AudioFormat(Codec.PCM_S16LE, sample_rate_hz, channels)


@dataclass(frozen=True, slots=True)
class Model:
    """A model by the name callers ask for.

    Formats are in order of preference: a caller's codec that is listed passes untouched, otherwise the fabric
    converts to the first.
    """

    name: str
    input_formats: tuple[AudioFormat, ...] = (OPUS,)
    output_formats: tuple[AudioFormat, ...] = (OPUS,)
    capabilities: frozenset[Capability] = frozenset()


def format_message(audio_format: AudioFormat) -> worker_pb2.AudioFormat:
    """`audio_format` as the protocol writes it."""
    return worker_pb2.AudioFormat(
        codec=worker_pb2.Codec.ValueType(audio_format.codec),
        sample_rate_hz=audio_format.sample_rate_hz,
        channels=audio_format.channels,
    )


def model_message(model: Model) -> worker_pb2.Model:
    """`model` as the protocol writes it."""
    return worker_pb2.Model(
        name=model.name,
        input_formats=map(format_message, model.input_formats),
        output_formats=map(format_message, model.output_formats),
        capabilities=[worker_pb2.Capability.ValueType(each) for each in sorted(model.capabilities)],
    )


def read_format(message: worker_pb2.AudioFormat) -> AudioFormat:
    """The protocol's format as the author sees it. Raises ValueError for a codec this release does not know."""
    return AudioFormat(Codec(message.codec), message.sample_rate_hz, message.channels)
