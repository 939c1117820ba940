"""The caller's audio that comes in events, on its way to the model and to turn taking, in order with all else."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from offhook_proto.worker.v1 import worker_pb2

from transceiver.audio.interface import Audio, ModelEncoder, Pcm
from transceiver.calls.formats import CODEC_NAMES
from transceiver.calls.input_memory import InputMemory
from transceiver.calls.waiting_input import InputFrame, WaitingInput
from transceiver.realtime.effects import AppendAudio
from transceiver.realtime.schema.session import AudioFormat
from transceiver.turns.interface import SAMPLE_RATE_HZ, TurnDetection, TurnListener, Turns, TurnTaking
from transceiver.worker_link.session import WorkerSession

CODECS: Final = {"audio/pcm": "PCM24", "audio/pcmu": "PCMU", "audio/pcma": "PCMA"}
"""What the API's formats are called here."""

MAX_WAITING_US: Final = 2_000_000
"""Audio on its way to the model from which on no more is read from the client (it is held back, not dropped)."""
MAX_WAITING = 128
"""The same for inputs of any kind."""


class EventVoice:
    """One session's input audio.

    It may come faster than it is spoken, so a worker that is behind is waited for: nothing is dropped, and `ready`
    says when the client may be read again.

    Args:
        audio_format: what the client sends now.
        turns: finds turns; None where the process has no turn taking.
        memory: of what a worker that takes over has to hear.
    """

    def __init__(
        self, audio: Audio, turns: Turns | None, audio_format: Callable[[], AudioFormat], memory: InputMemory
    ) -> None:
        self._audio = audio
        self._input = audio.open_event_input()
        self._encoder: ModelEncoder | None = None
        self._turns = turns
        self._format = audio_format
        self._worker: WorkerSession | None = None
        self._is_heard = False
        self._turn_taking: TurnTaking | None = None
        self._memory = memory
        self._waiting = WaitingInput(self._settle)
        self.heard_at: float | None = None
        """When the first audio came, in monotonic seconds; None: none yet."""
        self._ready = asyncio.Event()
        self._ready.set()

    # As RealtimeSide sees it

    @property
    def end_us(self) -> int:
        """Media time of the end of what has been heard."""
        return self._input.media_time_us

    @property
    def can_detect_turns(self) -> bool:
        """Whether this process can find turns."""
        return self._turns is not None

    @property
    def turn_taking(self) -> TurnTaking | None:
        """Where turns are being found."""
        return self._turn_taking

    def detect_turns(self, settings: TurnDetection, listener: TurnListener) -> None:
        """Finds turns by these settings from here on, or (None) leaves them to the client."""
        if self._turn_taking is not None and settings is not None:
            self._turn_taking.configure(settings)
        elif self._turn_taking is not None:
            # Clients that say themselves when they have spoken mostly do so for good: nothing listens for nothing.
            self._turn_taking.close()
            self._turn_taking = None
            self._input.untap(self._to_turns)
        elif settings is not None and self._turns is not None:
            self._turn_taking = self._turns.open(settings, listener)
            self._input.tap(SAMPLE_RATE_HZ, self._to_turns)

    def append(self, appended: AppendAudio) -> None:
        """Takes audio of the client."""
        if self.heard_at is None:
            self.heard_at = time.monotonic()
        self._input.append(CODECS[self._format().type], appended.audio)
        self._settle()

    def send(self, worker: WorkerSession, message: worker_pb2.SessionInput) -> None:
        """Sends an input of the session, after the audio before it. What stops an answer does not wait.

        Raises:
            InputTooLarge: it is more than the link carries.
        """
        if message.HasField("interruption"):
            worker.send(message)
            return
        worker.check_size(message)
        self._input.after(lambda: self._behind_audio(worker, message))

    # As the call sees it

    def feed(self, worker: WorkerSession | None) -> None:
        """From here on the model hears the caller; None: it is gone. The next one hears what is remembered as well."""
        self._worker = worker
        self._waiting.serve(worker)
        if worker is not None and not self._is_heard:
            self._is_heard = True
            self._hear(worker.input_format)
        for frame in self._memory if worker is not None else ():
            self._waiting.put(frame)
        self._settle()

    async def ready(self) -> None:
        """Returns when the client may be read again."""
        await self._ready.wait()

    def close(self) -> None:
        """The session is over."""
        self._worker = None
        self._waiting.close()
        self._input.untap(self._to_worker)
        if self._encoder is not None:
            self._encoder.close()
        if self._turn_taking is not None:
            self._turn_taking.close()
        self._input.close()
        self._ready.set()

    def _to_turns(self, pcm: Pcm) -> None:
        if self._turn_taking is not None:
            self._turn_taking.audio(pcm.samples, media_time_us=pcm.media_time_us, level_dbov=pcm.level_dbov)
        self._settle()

    def _hear(self, wanted: worker_pb2.AudioFormat) -> None:
        if (codec := CODEC_NAMES.get(wanted.codec)) is None:
            self._input.tap(wanted.sample_rate_hz, self._to_worker)
        else:
            self._encoder = self._audio.open_model_encoder(codec)
            self._input.tap(self._encoder.sample_rate_hz, self._to_worker)

    def _to_worker(self, pcm: Pcm) -> None:
        if self._encoder is None:
            self._queue_audio(pcm)
        else:
            self._encoder.encode(pcm, self._queue_audio)

    def _queue_audio(self, pcm: Pcm) -> None:
        frame = InputFrame(pcm.samples, pcm.media_time_us, pcm.duration_us, pcm.level_dbov)
        self._memory.keep(frame)
        if self._worker is not None:
            self._waiting.put(frame)

    def _behind_audio(self, worker: WorkerSession, message: worker_pb2.SessionInput) -> None:
        if worker is not self._worker:
            return  # It is gone; its successor has this as part of the conversation.
        if self._encoder is None:
            self._waiting.put(message)
        else:
            self._encoder.after(lambda: self._queue(worker, message))

    def _queue(self, worker: WorkerSession, message: worker_pb2.SessionInput) -> None:
        if worker is self._worker:
            self._waiting.put(message)

    def _settle(self) -> None:
        if self._input.waiting_us + self._waiting.audio_us < MAX_WAITING_US and len(self._waiting) < MAX_WAITING:
            self._ready.set()
        else:
            self._ready.clear()
