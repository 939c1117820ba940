"""Which audio format a call and a model speak in each direction."""

from collections.abc import Sequence

from offhook_proto.worker.v1 import worker_pb2

from transceiver.audio.interface import SAMPLE_RATES_HZ

_CODECS = {"opus": worker_pb2.CODEC_OPUS, "PCMU": worker_pb2.CODEC_PCMU, "PCMA": worker_pb2.CODEC_PCMA}

CODEC_NAMES = {codec: name for name, codec in _CODECS.items()}
"""What the codecs of the worker protocol are called here."""

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


def choose_event_format(offered: Sequence[worker_pb2.AudioFormat]) -> worker_pb2.AudioFormat:
    """Of a model whose client's audio comes in events: samples as they come, else others, else a codec."""
    chosen = choose_format(EVENT_FORMAT, offered, can_convert=True)
    return chosen if chosen in offered else next((each for each in offered if each.codec in CODEC_NAMES), chosen)


def is_samples(audio_format: worker_pb2.AudioFormat) -> bool:
    """Whether it is PCM at a rate and in a shape that the fabric converts to."""
    return (
        audio_format.codec == worker_pb2.CODEC_PCM_S16LE
        and audio_format.channels == 1
        and audio_format.sample_rate_hz in SAMPLE_RATES_HZ
    )
