"""Turn taking of one caller: windows of audio in, starts and stops of turns out. Sans-IO.

    window ──▶ level gate ──closed──────────────────────────▶ silence ─┐
                    └─open─▶ Listen ··▶ model ··▶ listened() ──────────┴─▶ segmenter ──▶ SpeechStarted, SpeechStopped
                                                                               └─▶ Ask ··▶ model ··▶ judged()

The models run elsewhere and answer later (dotted). Windows behind one that is still being listened to wait for it, so
the segmenter hears all of them in order. Where no speech model is installed, loudness takes the place of gate and
model.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from transceiver.turns.energy import EnergyVad
from transceiver.turns.gate import PRE_ROLL_WINDOWS, LevelGate
from transceiver.turns.interface import ServerVad, TurnDetection
from transceiver.turns.segmenter import Paused, Resumed, Rules, SpeechSegmenter, SpeechStarted, SpeechStopped
from transceiver.turns.windows import WINDOW_US, Window

JUDGED_US = 8_000_000
"""How much of a turn's end is enough to tell whether the sentence is finished."""

_JUDGED_WINDOWS = JUDGED_US // WINDOW_US
# Before a turn: its prefix, and what came while the model was still listening.
_REMEMBERED_WINDOWS = 3 * PRE_ROLL_WINDOWS

MAX_WAITING_WINDOWS = 20_000_000 // WINDOW_US
"""Windows that may wait for answers. A model that does not answer for so long is given up on (`skip_oldest`)."""

# Silero needs two windows to be sure; loudness alone takes three for the end of a door's bang.
_MIN_SPEECH_WINDOWS = {True: 2, False: 4}


class IdleTimeout(NamedTuple):
    """See `TurnListener.idle_timeout`."""

    start_us: int
    end_us: int


class Listen(NamedTuple):
    """How likely is speech in each of these windows? `TurnDetector.listened` wants the answers, in order.

    Attributes:
        windows: samples of one window each.
        fresh: the first does not continue what was listened to before.
    """

    windows: tuple[bytes, ...]
    fresh: bool


class Ask(NamedTuple):
    """Is the sentence finished? `TurnDetector.judged` wants the answer, unless `Resumed` comes first.

    Attributes:
        pause: what to answer.
        pcm: the turn's audio up to the pause, its last JUDGED_US at most.
    """

    pause: Paused
    pcm: bytes


Output = SpeechStarted | SpeechStopped | IdleTimeout | Listen | Ask | Resumed


@dataclass(slots=True)
class _Heard:
    """A window on its way to the segmenter."""

    start_us: int
    end_us: int
    awaited: bool
    quiet: bool
    """It is not louder than the room."""
    probability: float | None = 0.0


class TurnDetector:
    """Follows one caller. See the module's docstring.

    Args:
        settings: how turns are found.
        has_model: a speech model answers `Listen`; else loudness decides.
        can_ask: a model answers `Ask`.
    """

    def __init__(self, settings: TurnDetection, *, has_model: bool, can_ask: bool) -> None:
        self.settings = settings
        self.gate = LevelGate()
        self._has_model = has_model
        self._can_ask = can_ask
        self._energy = EnergyVad()
        self._rules: Rules | None = None
        self._segmenter: SpeechSegmenter | None = None
        self._history: deque[Window] = deque()
        # How much of the newest history the model has not heard, and whether it heard what came before that.
        self._unheard_windows = 0
        self._heard_before = False
        self._waiting: deque[_Heard] = deque()
        self._obsolete_answers = 0
        self._answer_ended_us: int | None = None
        self.configure(settings)

    @property
    def speaking(self) -> bool:
        """A turn is under way."""
        return self._segmenter is not None and self._segmenter.speaking

    def configure(self, settings: TurnDetection) -> None:
        """See `TurnTaking.configure`."""
        self.settings = settings
        if settings is None:
            self._rules = None
            self._forget()
            return
        min_speech_us = _MIN_SPEECH_WINDOWS[self._has_model] * WINDOW_US
        self._rules = Rules.of(settings, min_speech_us=min_speech_us, can_ask=self._can_ask)
        if self._segmenter is not None:
            self._segmenter.rules = self._rules

    def committed(self, at_us: int) -> None:
        """See `TurnTaking.committed`."""
        if self._segmenter is not None:
            self._segmenter.restart(at_us)

    def answer_started(self) -> None:
        """See `TurnTaking.answer_started`."""
        self._answer_ended_us = None

    def answer_ended(self, now_us: int) -> None:
        """See `TurnTaking.answer_ended`; `now_us` is the media time up to which audio has come."""
        self._answer_ended_us = now_us

    def hear(self, window: Window) -> Iterator[Output]:
        """Takes the next window of audio. The outputs must be consumed before the next call."""
        if self._rules is None:
            return
        if self._segmenter is None:
            self._segmenter = SpeechSegmenter(self._rules, window.start_us)
        self._remember(window)
        if not window.pcm:
            # The model has heard nothing that the audio after the gap continues.
            self._unheard_windows = 0
            self._heard_before = False
            self._wait_for(window, 0.0, quiet=True)
        elif not self._has_model:
            # Loudness is all that it goes by: there is nothing to find out beside it.
            self._wait_for(window, self._energy.probability(window), quiet=False)
        elif self.gate.passes(window):
            yield self._listen()
        else:
            self._unheard_windows += 1
            self._wait_for(window, 0.0, quiet=True)
        yield from self._advance()

    def listened(self, probabilities: Sequence[float | None]) -> Iterator[Output]:
        """Takes answers to the oldest windows that are being listened to; None for one that was skipped."""
        obsolete = min(self._obsolete_answers, len(probabilities))
        self._obsolete_answers -= obsolete
        awaited = (heard for heard in self._waiting if heard.awaited)
        for heard, probability in zip(awaited, probabilities[obsolete:], strict=False):
            heard.awaited, heard.probability = False, probability
        yield from self._advance()

    def judged(self, pause: Paused, *, finished: bool | None) -> Iterator[Output]:
        """Takes the answer to an `Ask`; None where nothing could tell."""
        if self._segmenter is not None:
            stopped = self._segmenter.judge(pause, finished=finished)
            if stopped is not None:
                yield stopped

    def _forget(self) -> None:
        self._segmenter = None
        self._obsolete_answers += sum(heard.awaited for heard in self._waiting)
        self._waiting.clear()
        self._history.clear()
        self._unheard_windows = 0
        self._heard_before = False

    def _remember(self, window: Window) -> None:
        self._history.append(window)
        asks = self._rules is not None and self._rules.asks
        limit = _JUDGED_WINDOWS if asks and self.speaking else _REMEMBERED_WINDOWS
        while len(self._history) > limit:
            self._history.popleft()

    def _listen(self) -> Listen:
        """Listens to the newest window and, if the gate was shut before it, to the pre-roll."""
        before = min(self._unheard_windows, PRE_ROLL_WINDOWS)
        fresh = not self._heard_before or before < self._unheard_windows
        self._heard_before = True
        windows = list(islice(self._history, len(self._history) - 1 - before, None))
        self._unheard_windows = 0
        for window in windows:
            # Those from before the gate opened had not been louder than the room.
            quiet = window is not windows[-1] or self.gate.is_quiet
            self._waiting.append(_Heard(window.start_us, window.end_us, awaited=True, quiet=quiet))
        return Listen(tuple(window.pcm for window in windows), fresh)

    def _wait_for(self, window: Window, probability: float, *, quiet: bool) -> None:
        heard = _Heard(window.start_us, window.end_us, awaited=False, quiet=quiet, probability=probability)
        self._waiting.append(heard)

    def _advance(self) -> Iterator[Output]:
        while self._segmenter is not None and self._waiting:
            heard = self._waiting[0]
            if heard.awaited:
                if len(self._waiting) <= MAX_WAITING_WINDOWS:
                    return
                heard.probability = None
                self._obsolete_answers += 1
            self._waiting.popleft()
            event = self._segmenter.hear(heard.start_us, heard.end_us, heard.probability, quiet=heard.quiet)
            if self._has_model and (heard.probability or 0.0) >= self._segmenter.rules.stop_threshold:
                self.gate.speech_heard()
            if isinstance(event, Paused):
                yield Ask(event, self._audio_of(event))
            elif event is not None:
                # The caller has spoken since the last answer.
                self._answer_ended_us = None
                yield event
            else:
                yield from self._idle_at(heard.end_us)

    def _idle_at(self, now_us: int) -> Iterator[IdleTimeout]:
        timeout_ms = self.settings.idle_timeout_ms if isinstance(self.settings, ServerVad) else None
        if timeout_ms is None or self._answer_ended_us is None or self._segmenter is None or not self._segmenter.quiet:
            return
        timeout = IdleTimeout(self._answer_ended_us, self._answer_ended_us + 1000 * timeout_ms)
        if now_us >= timeout.end_us:
            self._answer_ended_us = None
            # What was idle is a turn of its own: no other begins in it.
            self._segmenter.restart(timeout.end_us)
            yield timeout

    def _audio_of(self, pause: Paused) -> bytes:
        start_us = max(pause.start_us, pause.end_us - JUDGED_US)
        return b"".join(
            window.pcm for window in self._history if window.end_us > start_us and window.start_us < pause.end_us
        )
