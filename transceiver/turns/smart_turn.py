"""smart-turn: does the caller's turn sound finished? https://github.com/pipecat-ai/smart-turn.

A Whisper encoder with a head of its own. It hears intonation and words, up to the pause that raised the question:

    input_features [B, 80, 800] float32   log-mel of the last 8 s, silence before them
    logits         [B, 1]       float32   probability that the turn is finished, 0 to 1
"""

from pathlib import Path

import numpy as np

from transceiver.turns.detector import JUDGED_US
from transceiver.turns.interface import SAMPLE_RATE_HZ
from transceiver.turns.log_mel import log_mel
from transceiver.turns.onnx_model import open_model

_HEARD_SAMPLES = JUDGED_US * SAMPLE_RATE_HZ // 1_000_000
_FINISHED_FROM = 0.5


class SmartTurn:
    """The model. For one thread at a time.

    Raises:
        ConfigError: the file is not this model.
    """

    def __init__(self, path: Path) -> None:
        self._session = open_model(path, inputs=("input_features",))

    def is_finished(self, pcm: bytes) -> bool:
        """Whether the turn in `pcm`, which ends with a pause, sounds finished."""
        return self.probability(pcm) > _FINISHED_FROM

    def probability(self, pcm: bytes) -> float:
        """0 to 1, that it is finished."""
        heard = np.frombuffer(pcm, np.int16)[-_HEARD_SAMPLES:]
        samples = np.zeros(_HEARD_SAMPLES, np.float32)
        samples[len(samples) - len(heard) :] = heard / np.float32(32768)
        (output,) = self._session.run(None, {"input_features": log_mel(samples)[None]})
        return float(output[0, 0])
