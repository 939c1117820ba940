"""Turn taking of one process: the models it found, the threads that run them, and the calls that use them."""

import asyncio
from importlib.util import find_spec
from pathlib import Path

import structlog

from transceiver.turns.call_turns import CallTurns
from transceiver.turns.counters import TurnCounters
from transceiver.turns.interface import EndOfTurn, SpeechDetector, TurnDetection, TurnListener, TurnTaking
from transceiver.turns.listening import Ears, ListeningPool
from transceiver.turns.questions import QuestionPool, Questions

_log = structlog.get_logger(__name__)

SILERO_FILE = "silero_vad.onnx"
SMART_TURN_FILE = "smart-turn-v3.2-cpu.onnx"


class ProcessTurns:
    """Implements `Turns`.

    Args:
        ears: the speech model; None: loudness decides.
        questions: the end-of-turn model; None: pauses of a fixed length end turns.
        counters: what the two count in.
    """

    def __init__(self, *, ears: Ears | None, questions: Questions | None, counters: TurnCounters) -> None:
        self._ears = ears
        self._questions = questions
        self.counters = counters

    @property
    def speech_detector(self) -> SpeechDetector:
        """See `Turns`."""
        return SpeechDetector.ENERGY if self._ears is None else SpeechDetector.SILERO

    @property
    def end_of_turn(self) -> EndOfTurn:
        """See `Turns`."""
        return EndOfTurn.SILENCE if self._questions is None else EndOfTurn.SMART_TURN

    def open(self, settings: TurnDetection, listener: TurnListener) -> TurnTaking:
        """See `Turns`."""
        return CallTurns(settings, listener, ears=self._ears, questions=self._questions, counters=self.counters)

    def close(self) -> None:
        """See `Turns`."""
        for pool in (self._ears, self._questions):
            if pool is not None:
                pool.close()


def start_turns(models_dir: Path | None, loop: asyncio.AbstractEventLoop) -> ProcessTurns:
    """Loads the models that `models_dir` holds, which takes some 0.2 s, and starts a thread for each.

    What is missing is replaced by something simpler, and one log line says so.

    Raises:
        ConfigError: a model file is damaged, or is another model.
    """
    counters = TurnCounters()
    speech_model = _installed(models_dir, SILERO_FILE, instead=SpeechDetector.ENERGY)
    ears: Ears | None = None
    if speech_model is not None:
        # onnxruntime is an extra: a process without models runs without it.
        from transceiver.turns.silero import SileroVad  # noqa: PLC0415

        ears = ListeningPool(SileroVad(speech_model), loop, counters.speech_model)
    end_of_turn_model = _installed(models_dir, SMART_TURN_FILE, instead=EndOfTurn.SILENCE)
    questions: Questions | None = None
    if end_of_turn_model is not None:
        from transceiver.turns.smart_turn import SmartTurn  # noqa: PLC0415 - the same

        questions = QuestionPool(SmartTurn(end_of_turn_model), loop, counters.end_of_turn_model)
    return ProcessTurns(ears=ears, questions=questions, counters=counters)


def _installed(models_dir: Path | None, file: str, *, instead: str) -> Path | None:
    if models_dir is None:
        reason = "models_dir is not set"
    elif not (models_dir / file).is_file():
        reason = f"{file} is not in {models_dir}: run `offhook models fetch`"
    elif find_spec("onnxruntime") is None or find_spec("numpy") is None:
        reason = "the extra offhook[turns] is not installed"
    else:
        return models_dir / file
    _log.warning("turn taking does without a model", model=file, instead=instead, reason=reason)
    return None
