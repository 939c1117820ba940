"""Silero VAD: how likely is speech in a window of 32 ms?

https://github.com/snakers4/silero-vad. One run takes one window of each of several callers:

    input  [B, 64 + 512] float32   the end of the window before, and the window; -1 to 1
    state  [2, B, 128]   float32   what the model remembers of each caller
    sr     int64                   16000
    output [B, 1], stateN [2, B, 128]
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from transceiver.turns.interface import SAMPLE_RATE_HZ
from transceiver.turns.onnx_model import open_model

_CONTEXT_SAMPLES = 64
_STATE_SHAPE = (2, 1, 128)
_FULL_SCALE = np.float32(1 / 32768)


class Memory:
    """What the model remembers of one caller."""

    __slots__ = ("context", "state")

    def __init__(self) -> None:
        self.context = np.zeros(_CONTEXT_SAMPLES, np.float32)
        self.state = np.zeros(_STATE_SHAPE, np.float32)


class SileroVad:
    """The model. For one thread at a time.

    Raises:
        ConfigError: the file is not this model.
    """

    def __init__(self, path: Path) -> None:
        self._session = open_model(path, inputs=("input", "state", "sr"))
        self._rate = np.array(SAMPLE_RATE_HZ, np.int64)

    @staticmethod
    def new_memory() -> Memory:
        """Of a caller not heard before."""
        return Memory()

    def probabilities(self, memories: Sequence[Memory], windows: Sequence[bytes]) -> list[float]:
        """Judges one window of each caller, 0 to 1, and brings their memories up to date."""
        samples = np.frombuffer(b"".join(windows), np.int16).reshape(len(windows), -1) * _FULL_SCALE
        contexts = np.stack([memory.context for memory in memories])
        states = np.concatenate([memory.state for memory in memories], axis=1)
        inputs = {"input": np.concatenate([contexts, samples], axis=1), "state": states, "sr": self._rate}
        output, new_states = self._session.run(None, inputs)
        for index, memory in enumerate(memories):
            # Copies: a view would keep the whole batch in memory for as long as the caller is silent.
            memory.context = samples[index, -_CONTEXT_SAMPLES:].copy()
            memory.state = new_states[:, index : index + 1].copy()
        probabilities: list[float] = output[:, 0].tolist()
        return probabilities
