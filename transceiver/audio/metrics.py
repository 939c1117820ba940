"""What Prometheus sees of codecs and jitter buffers. Values are read from the counters at scrape time."""

from collections.abc import Iterator

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from offhook.service.metric_families import counter, counters_by, gauge
from transceiver.audio.interface import Audio

_US = 1_000_000


class AudioCollector(Collector):
    """Reads the codecs of one process. Only calls whose audio is decoded or encoded here count."""

    def __init__(self, audio: Audio) -> None:
        self._audio = audio

    def collect(self) -> Iterator[Metric]:
        """All families."""
        counters = self._audio.counters
        yield counters_by(
            "fabric_transceiver_input_audio_seconds",
            "Callers' audio: received, concealed (a packet was lost or late), silence (none was sent), inserted "
            "(concealed before it came late), removed (silence left out to make up for that), shed (too much waited).",
            "kind",
            {
                "received": counters.heard_us / _US,
                "concealed": counters.concealed_us / _US,
                "silence": counters.silence_us / _US,
                "inserted": counters.inserted_us / _US,
                "removed": counters.removed_us / _US,
                "shed": counters.shed_us / _US,
            },
        )
        yield counter(
            "fabric_transceiver_input_target_seconds",
            "Sum over received frames of what a missing packet was given at that time; by frames it is the mean.",
            counters.target_us / _US,
        )
        yield counter("fabric_transceiver_input_frames", "Frames of callers received.", counters.frames)
        yield counter(
            "fabric_transceiver_input_corrupt_frames",
            "Payloads that were no frame of their codec.",
            counters.corrupt_frames,
        )
        yield counter(
            "fabric_transceiver_input_discontinuities",
            "Leaps of a client's timestamps that no silence was made for.",
            counters.discontinuities,
        )
        yield counter("fabric_transceiver_codec_seconds", "Time codec threads were at work.", counters.codec_seconds)
        yield gauge(
            "fabric_transceiver_codec_waiting", "Frames that codec threads have not done yet.", self._audio.waiting
        )
        yield counters_by(
            "fabric_transceiver_codec_frames",
            "Frames decoded and encoded; flushed: encoded, but not to be heard after an interruption.",
            "kind",
            {
                "decoded": counters.decoded_pieces,
                "encoded": counters.encoded_frames,
                "flushed": counters.flushed_frames,
            },
        )
        yield counter(
            "fabric_transceiver_audio_listener_faults", "Errors in code that hears samples.", counters.listener_faults
        )
