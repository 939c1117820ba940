"""A caller who speaks for real, and a model that hears samples, with a bad network between them; in virtual time."""

import numpy as np
from offhook_datapath import decode_audio

from tests.support.speech import CLOCK_RATES, FRAME_MS, SPEECH_HZ, Samples, from_bytes
from tests.support.transceiver_scene import Caller, TransceiverScene
from tests.support.webrtc_client import ClientOptions
from transceiver.audio.counters import AudioCounters
from transceiver.audio.input_stream import InputStream
from transceiver.audio.interface import Pcm
from transceiver.session.actions import AudioReceived

PAYLOAD_TYPES = {"opus": 111, "PCMU": 0, "PCMA": 8}


class ListeningScene:
    """One call whose input is decoded.

    Args:
        clock: how fast the caller's sampling clock runs, 1 being ours.
    """

    def __init__(self, *, codec: str = "opus", seed: int = 1, clock: float = 1.0) -> None:
        self.counters = AudioCounters()
        self.heard: list[Pcm] = []
        self.heard_at: list[float] = []
        self.scene = TransceiverScene(seed=seed)
        self.caller: Caller = self.scene.connect(ClientOptions(payload_type=PAYLOAD_TYPES[codec]), echo=False)
        self.stream = InputStream(codec, CLOCK_RATES[codec], self.counters)
        self.stream.tap(SPEECH_HZ, self._hear)
        self.caller.session.follow(self.stream.delay, reorder=True)
        self.caller.listener.hears = self._receive
        self._frame_samples = CLOCK_RATES[codec] * FRAME_MS // 1000
        self._interval_s = FRAME_MS / 1000 / clock
        self._said = 0
        self._wakes_at = 0.0

    def say(self, frames: list[bytes], *, send: bool = True) -> None:
        """Sends frames at their pace; with `send` off the caller only lets their time pass."""
        for payload in frames:
            if send:
                self.caller.client.send_audio(payload, self._said * self._frame_samples, level=30)
                self.scene.flush(self.caller)
            self._said += 1
            self.scene.run(self._interval_s)

    @property
    def samples(self) -> Samples:
        """Everything that was heard."""
        return from_bytes(b"".join(pcm.samples for pcm in self.heard))

    @property
    def concealed_share(self) -> float:
        """How much of it stood in for something."""
        total = sum(pcm.duration_us for pcm in self.heard)
        return sum(pcm.duration_us for pcm in self.heard if pcm.concealed) / total

    def delay_ms(self, percentile: float) -> float:
        """How much later than the fastest a piece was heard."""
        delays = [at - pcm.media_time_us / 1e6 for at, pcm in zip(self.heard_at, self.heard, strict=True)]
        return float(np.percentile(delays, percentile) - min(delays)) * 1000

    def _receive(self, frame: AudioReceived) -> None:
        self.stream.receive(frame, self.scene.now)
        self._decode()

    def _decode(self) -> None:
        for result in decode_audio(self.stream.take_jobs()):
            self.stream.decoded(result)
        due = self.stream.next_timeout()
        if due is not None and (self._wakes_at <= self.scene.now or due < self._wakes_at):
            self._wakes_at = due
            self.scene.network.call_at(due, self._time_is_up)

    def _time_is_up(self) -> None:
        if self.scene.now >= self._wakes_at:
            self.stream.handle_timeout(self.scene.now)
            self._decode()

    def _hear(self, pcm: Pcm) -> None:
        if self.heard:
            assert pcm.media_time_us == self.heard[-1].media_time_us + self.heard[-1].duration_us
        assert len(pcm.samples) == pcm.duration_us * SPEECH_HZ // 1_000_000 * 2
        self.heard.append(pcm)
        self.heard_at.append(self.scene.now)
