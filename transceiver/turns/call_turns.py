"""Turn taking of one call, on the event loop: joins its detector to the models and to its listener."""

from collections.abc import Iterable, Sequence

from transceiver.turns.counters import TurnCounters
from transceiver.turns.detector import Ask, IdleTimeout, Listen, Output, TurnDetector
from transceiver.turns.interface import TurnDetection, TurnListener
from transceiver.turns.listening import Ears
from transceiver.turns.questions import Question, Questions
from transceiver.turns.segmenter import Resumed, SpeechStarted, SpeechStopped
from transceiver.turns.windows import WindowCutter


class CallTurns:
    """Implements `TurnTaking`.

    Args:
        settings: how turns are found.
        listener: hears of them.
        ears: the speech model; None: loudness decides.
        questions: the end-of-turn model; None: pauses of a fixed length end turns.
        counters: of the process.
    """

    def __init__(
        self,
        settings: TurnDetection,
        listener: TurnListener,
        *,
        ears: Ears | None,
        questions: Questions | None,
        counters: TurnCounters,
    ) -> None:
        self._listener: TurnListener | None = listener
        self._counters = counters
        self._cutter = WindowCutter()
        self._detector = TurnDetector(settings, has_model=ears is not None, can_ask=questions is not None)
        self._ear = ears.open(self._listened) if ears is not None else None
        self._questions = questions
        self._question: Question | None = None
        self._disbelieved = False

    @property
    def settings(self) -> TurnDetection:
        """See `TurnTaking`."""
        return self._detector.settings

    @property
    def speaking(self) -> bool:
        """See `TurnTaking`."""
        return self._listener is not None and self._detector.speaking

    def audio(self, pcm: bytes, *, media_time_us: int, level_dbov: int | None = None) -> None:
        """See `TurnTaking`."""
        if self._listener is None:
            return
        for window in self._cutter.push(pcm, media_time_us, level_dbov):
            if self._detector.settings is not None:
                self._counters.windows += 1
            self._act(self._detector.hear(window))
        if not self._detector.gate.believes_client and not self._disbelieved:
            self._disbelieved = True
            self._counters.levels_disbelieved += 1

    def configure(self, settings: TurnDetection) -> None:
        """See `TurnTaking`."""
        self._detector.configure(settings)

    def committed(self, at_us: int) -> None:
        """See `TurnTaking`."""
        self._detector.committed(at_us)

    def answer_started(self) -> None:
        """See `TurnTaking`."""
        self._detector.answer_started()

    def answer_ended(self) -> None:
        """See `TurnTaking`."""
        self._detector.answer_ended(self._cutter.now_us)

    def close(self) -> None:
        """See `TurnTaking`."""
        self._listener = None
        if self._ear is not None:
            self._ear.close()
        self._withdraw_question()

    def _listened(self, probabilities: Sequence[float | None]) -> None:
        self._act(self._detector.listened(probabilities))

    def _act(self, outputs: Iterable[Output]) -> None:
        for output in outputs:
            if self._listener is None:
                return
            match output:
                case Listen():
                    self._counters.windows_past_gate += 1
                    assert self._ear is not None
                    self._ear.listen(output)
                case Ask():
                    self._ask(output)
                case Resumed():
                    self._withdraw_question()
                case SpeechStarted(start_us):
                    self._counters.starts += 1
                    self._listener.speech_started(start_us)
                case SpeechStopped(end_us, voice_end_us):
                    self._counters.stops += 1
                    self._withdraw_question()
                    self._listener.speech_stopped(end_us, voice_end_us)
                case IdleTimeout(start_us, end_us):
                    self._counters.idle_timeouts += 1
                    self._listener.idle_timeout(start_us, end_us)

    def _ask(self, ask: Ask) -> None:
        assert self._questions is not None
        self._withdraw_question()

        def answered(finished: bool | None) -> None:
            self._act(self._detector.judged(ask.pause, finished=finished))

        self._question = self._questions.ask(ask.pcm, answered)

    def _withdraw_question(self) -> None:
        if self._question is not None:
            self._question.withdraw()
            self._question = None
