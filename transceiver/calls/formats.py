"""Which audio format a call and a model speak in each direction."""

from collections.abc import Sequence

from offhook_proto.worker.v1 import worker_pb2

from transceiver.audio.interface import SAMPLE_RATES_HZ

_CODECS = {"opus": worker_pb2.CODEC_OPUS, "PCMU": worker_pb2.CODEC_PCMU, "PCMA": worker_pb2.CODEC_PCMA}

EVENT_FORMAT = worker_pb2.AudioFormat(codec=worker_pb2.CODEC_PCM_S16LE, sample_rate_hz=24_000, channels=1)
"""What a client's events carry unless it chooses G.711; a worker that has it needs no resampling."""


def client_format(codec: str, clock_rate: int) -> worker_pb2.AudioFormat:
    """The negotiated codec as the worker protocol names it.

    Opus is "48000/2" whatever it carries (RFC 7587 section 7): each packet says itself whether it is stereo.
    """
    channels = 2 if codec == "opus" else 1
    return worker_pb2.AudioFormat(codec=_CODECS[codec], sample_rate_hz=clock_rate, channels=channels)


def choose_format(
    client: worker_pb2.AudioFormat, offered: Sequence[worker_pb2.AudioFormat], *, can_convert: bool
) -> worker_pb2.AudioFormat:
    """The client's own format where the model has it: nothing is converted. Else the first that can be converted to.

    If there is none, the client's: the worker pool then says that no worker takes it.
    """
    if client in offered or not can_convert:
        return client
    return next((each for each in offered if is_samples(each)), client)


def is_samples(audio_format: worker_pb2.AudioFormat) -> bool:
    """Whether it is PCM at a rate and in a shape that the fabric converts to."""
    return (
        audio_format.codec == worker_pb2.CODEC_PCM_S16LE
        and audio_format.channels == 1
        and audio_format.sample_rate_hz in SAMPLE_RATES_HZ
    )
