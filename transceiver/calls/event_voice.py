"""The caller's audio that comes in events, on its way to the model and to turn taking, in order with all else."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from offhook_proto.worker.v1 import worker_pb2

from transceiver.audio.interface import Audio, ModelEncoder, Pcm
from transceiver.calls.formats import CODEC_NAMES
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
RETRY_S: Final = 0.02
"""How often a worker without credit is looked at again."""


class EventVoice:
    """One session's input audio.

    It may come faster than it is spoken, so a worker that is behind is waited for: nothing is dropped, and `ready`
    says when the client may be read again.

    Args:
        audio_format: what the client sends now.
        turns: finds turns; None where the process has no turn taking.
    """

    def __init__(self, audio: Audio, turns: Turns | None, audio_format: Callable[[], AudioFormat]) -> None:
        self._audio = audio
        self._input = audio.open_event_input()
        self._encoder: ModelEncoder | None = None
        self._turns = turns
        self._format = audio_format
        self._worker: WorkerSession | None = None
        self._turn_taking: TurnTaking | None = None
        self._to_send: deque[Pcm | worker_pb2.SessionInput] = deque()
        self._to_send_us = 0
        self._retry: asyncio.TimerHandle | None = None
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
        """From here on the model hears the caller; None: it is gone."""
        self._input.untap(self._to_worker)
        if self._encoder is not None:
            self._encoder.close()
            self._encoder = None
        self._worker = worker
        if worker is None:
            self._to_send.clear()
            self._to_send_us = 0
            self._settle()
        elif (codec := CODEC_NAMES.get(worker.input_format.codec)) is None:
            self._input.tap(worker.input_format.sample_rate_hz, self._to_worker)
        else:
            self._encoder = self._audio.open_model_encoder(codec)
            self._input.tap(self._encoder.sample_rate_hz, self._to_worker)

    async def ready(self) -> None:
        """Returns when the client may be read again."""
        await self._ready.wait()

    def close(self) -> None:
        """The session is over."""
        self.feed(None)
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._turn_taking is not None:
            self._turn_taking.close()
        self._input.close()
        self._ready.set()

    def _to_turns(self, pcm: Pcm) -> None:
        if self._turn_taking is not None:
            self._turn_taking.audio(pcm.samples, media_time_us=pcm.media_time_us, level_dbov=pcm.level_dbov)
        self._settle()

    def _to_worker(self, pcm: Pcm) -> None:
        if self._encoder is None:
            self._queue_audio(pcm)
        else:
            self._encoder.encode(pcm, self._queue_audio)

    def _queue_audio(self, pcm: Pcm) -> None:
        self._to_send.append(pcm)
        self._to_send_us += pcm.duration_us
        self._flush()

    def _behind_audio(self, worker: WorkerSession, message: worker_pb2.SessionInput) -> None:
        if worker is not self._worker:
            return  # It is gone; its successor has this as part of the conversation.
        if self._encoder is None:
            self._queue(message)
        else:
            self._encoder.after(lambda: self._queue(message))

    def _queue(self, message: worker_pb2.SessionInput) -> None:
        self._to_send.append(message)
        self._flush()

    def _flush(self) -> None:
        while self._to_send and self._worker is not None and self._worker.input_waiting_us == 0:
            first = self._to_send.popleft()
            if isinstance(first, Pcm):
                self._to_send_us -= first.duration_us
                self._worker.send_audio(
                    first.samples,
                    media_time_us=first.media_time_us,
                    duration_us=first.duration_us,
                    level=first.level_dbov,
                )
            else:
                self._worker.send(first)
        if self._to_send and self._worker is not None and self._retry is None:
            self._retry = asyncio.get_running_loop().call_later(RETRY_S, self._try_again)
        self._settle()

    def _try_again(self) -> None:
        self._retry = None
        self._flush()

    def _settle(self) -> None:
        if self._input.waiting_us + self._to_send_us < MAX_WAITING_US and len(self._to_send) < MAX_WAITING:
            self._ready.set()
        else:
            self._ready.clear()
