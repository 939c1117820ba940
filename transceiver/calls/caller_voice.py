"""The caller's audio on its way to the model and to turn taking: the client's own frames, samples, or both."""

from typing import Final

from offhook_proto.worker.v1 import worker_pb2

from transceiver.audio.interface import Audio, InputAudio, Pcm
from transceiver.calls.input_memory import LONGEST_US, InputMemory
from transceiver.calls.model_side import ClientSide
from transceiver.calls.waiting_input import InputFrame, WaitingInput
from transceiver.playout.frame_duration import duration_us
from transceiver.realtime.effects import AppendAudio
from transceiver.session.actions import AudioReceived
from transceiver.turns.interface import SAMPLE_RATE_HZ, TurnDetection, TurnListener, Turns, TurnTaking
from transceiver.worker_link.session import WorkerSession

MAX_CATCH_UP_US: Final = LONGEST_US + 5_000_000
"""What a worker that has taken over may be behind; from then on its own queue's policy says what is dropped."""


class CallerVoice:
    """One call's input audio.

    A worker that takes the client's codec gets its frames untouched. One that takes samples, and turn taking, hear the
    caller through one decoder. Media time is that of the samples where there are any, else of the client's RTP
    timestamps; the two differ by what came late and was concealed, until as much silence has been left out.

    A worker that takes over hears the turn under way from its beginning, as fast as it takes it, and then what has come
    meanwhile. Only turns that are found here are remembered.

    Args:
        client: says what codec it speaks, and when its packets come.
        audio: decodes.
        turns: finds turns; None where the process has no turn taking.
        memory: of what a worker that takes over has to hear.
    """

    def __init__(self, client: ClientSide, *, audio: Audio | None, turns: Turns | None, memory: InputMemory) -> None:
        self._client = client
        self._clock_rate = client.clock_rate
        self._audio = audio if audio is not None and audio.supported else None
        self._turns = turns
        self._worker: WorkerSession | None = None
        self._worker_takes: worker_pb2.AudioFormat | None = None
        self._memory = memory
        self._catching_up = WaitingInput(self._bound)
        self._input: InputAudio | None = None
        self._input_begins_us = 0
        self._turn_taking: TurnTaking | None = None
        self._frames_end_us = 0

    @property
    def end_us(self) -> int:
        """Media time of the end of what the caller has said."""
        if self._input is None:
            return self._frames_end_us
        return self._input_begins_us + self._input.media_time_us

    @property
    def concealed_s(self) -> float:
        """How much of it was made up for packets that were lost or late, as far as it is decoded here."""
        return self._input.concealed_us / 1_000_000 if self._input is not None else 0.0

    @property
    def late_packet_wait_s(self) -> float | None:
        """How long a missing packet is waited for; None where nothing is decoded."""
        return self._input.delay.target_s if self._input is not None else None

    @property
    def can_detect_turns(self) -> bool:
        """Whether this process can find turns in this call's audio."""
        return self._turns is not None and self._audio is not None

    @property
    def turn_taking(self) -> TurnTaking | None:
        """Where turns are being found."""
        return self._turn_taking

    def feed(self, worker: WorkerSession | None) -> None:
        """From here on the model hears the caller; None: it is gone. The next one hears what is remembered as well."""
        self._worker = worker
        self._catching_up.serve(worker)
        if worker is None:
            return
        if self._worker_takes is None:
            self._worker_takes = worker.input_format
            if self._takes_samples:
                self._hear().tap(worker.input_format.sample_rate_hz, self._to_worker)
        for frame in self._memory:
            self._catching_up.put(frame)

    def detect_turns(self, settings: TurnDetection, listener: TurnListener) -> None:
        """Finds turns by these settings from here on, or (None) leaves them to the client."""
        if self._turn_taking is not None:
            self._turn_taking.configure(settings)
        elif settings is not None and self._turns is not None:
            self._turn_taking = self._turns.open(settings, listener)
            self._hear().tap(SAMPLE_RATE_HZ, self._to_turns)

    def receive(self, frame: AudioReceived) -> None:
        """Takes the next frame of the client."""
        length_us = duration_us(frame.codec, frame.payload)
        media_time_us = frame.rtp_timestamp * 1_000_000 // self._clock_rate
        self._frames_end_us = max(self._frames_end_us, media_time_us + length_us)
        if self._input is not None:
            self._input.receive(frame)
        if self._worker_takes is not None and not self._takes_samples and length_us:
            self._pass_on(frame.payload, media_time_us, length_us, frame.level_dbov, frame.lost_before)

    def append(self, appended: AppendAudio) -> None:
        """Must not be called: the session refuses such events."""
        raise AssertionError("a client with a media track sends no audio in events")

    def send(self, worker: WorkerSession, message: worker_pb2.SessionInput) -> None:
        """Sends an input in its place: frames go out as they come. What stops an answer does not wait."""
        if len(self._catching_up) and not message.HasField("interruption"):
            worker.check_size(message)
            self._catching_up.put(message)
        else:
            worker.send(message)

    def close(self) -> None:
        """The call is over."""
        self._worker = None
        self._catching_up.close()
        if self._turn_taking is not None:
            self._turn_taking.close()
        if self._input is not None:
            self._input.close()

    def _hear(self) -> InputAudio:
        """The decoder, begun with the first who wants samples: it counts from there."""
        if self._input is None:
            assert self._audio is not None, "no model that takes samples is called without codecs"
            self._input = self._audio.open_input(self._client.codec)
            self._input_begins_us = self._frames_end_us
            # A model that takes the client's own codec waits for late packets by itself.
            self._client.follow(self._input.delay, reorder=self._takes_samples)
        return self._input

    @property
    def _takes_samples(self) -> bool:
        return self._worker_takes is not None and self._worker_takes.codec == worker_pb2.CODEC_PCM_S16LE

    def _to_worker(self, pcm: Pcm) -> None:
        self._pass_on(pcm.samples, self._input_begins_us + pcm.media_time_us, pcm.duration_us, pcm.level_dbov, 0)

    def _pass_on(
        self, payload: bytes, media_time_us: int, duration_us: int, level: int | None, lost_before: int
    ) -> None:
        if self._turn_taking is not None:
            frame = InputFrame(payload, media_time_us, duration_us, level, lost_before)
            self._memory.keep(frame)
            if len(self._catching_up):
                self._catching_up.put(frame)
                return
        if self._worker is not None:
            self._worker.send_audio(
                payload, media_time_us=media_time_us, duration_us=duration_us, level=level, lost_before=lost_before
            )

    def _bound(self) -> None:
        if self._catching_up.audio_us > MAX_CATCH_UP_US:
            self._catching_up.overrun()

    def _to_turns(self, pcm: Pcm) -> None:
        if self._turn_taking is not None:
            # The decoder's own measurement of these very samples: the client's is of a frame that may be decoded later.
            begin_us = self._input_begins_us + pcm.media_time_us
            self._turn_taking.audio(pcm.samples, media_time_us=begin_us, level_dbov=pcm.level_dbov)
