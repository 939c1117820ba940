"""Moonshine tiny: English speech to text, on onnxruntime.

An encoder reads the samples as they are (no spectrogram, any length), a decoder writes tokens one at a time, each step
fed with the attention state of the last. Cost grows with the audio, which is what makes short utterances cheap:
https://arxiv.org/abs/2410.15608.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from offhook_worker.agent.hearing import SAMPLE_RATE_HZ, Samples

FILES = ("encoder_model.ort", "decoder_model_merged.ort", "tokenizer.bin")

_START_TOKEN, _END_TOKEN = 1, 2
_LAYERS, _HEADS, _HEAD_SIZE = 6, 8, 36
_TOKENS_PER_S = 6.5
"""Nobody speaks faster. Beyond it the decoder has lost itself in a loop (https://github.com/usefulsensors/moonshine)."""
_SHORTEST_SAMPLES = SAMPLE_RATE_HZ // 10
"""The encoder's strides swallow less than this."""
_SPACE = "▁"

_State = dict[str, npt.NDArray[np.float32]]


class Moonshine:
    """The loaded model. `transcribe` may run in several threads at once.

    Args:
        directory: holds `FILES`.

    Raises:
        FileNotFoundError: a file is missing.
    """

    def __init__(self, directory: Path) -> None:
        for name in FILES:
            if not (directory / name).is_file():
                raise FileNotFoundError(directory / name)
        self._encoder = _session(directory / "encoder_model.ort")
        self._decoder = _session(directory / "decoder_model_merged.ort")
        self._tokens = list(read_tokens((directory / "tokenizer.bin").read_bytes()))
        self._outputs = [output.name for output in self._decoder.get_outputs()]

    def transcribe(self, samples: Samples) -> str:
        """What is said in `samples` (16 kHz mono, -1 to 1); empty for next to no audio. Takes 3 % of real time."""
        if len(samples) < _SHORTEST_SAMPLES:
            return ""
        audio = samples[np.newaxis, :]
        heard = np.ones(audio.shape, np.int64)
        (encoded,) = self._encoder.run(None, {"input_values": audio, "attention_mask": heard})
        most = 2 + int(len(samples) / SAMPLE_RATE_HZ * _TOKENS_PER_S)
        return self._text(self._decode(encoded, heard, most))

    def _decode(self, encoded: Samples, heard: npt.NDArray[np.int64], most: int) -> Iterator[int]:
        empty = np.zeros((1, _HEADS, 0, _HEAD_SIZE), np.float32)
        state = {f"past_key_values.{name}": empty for name in _state_names()}
        token, is_first = _START_TOKEN, True
        for _ in range(most):
            outputs = self._decoder.run(
                None,
                {
                    "input_ids": np.array([[token]], np.int64),
                    "encoder_hidden_states": encoded,
                    "encoder_attention_mask": heard,
                    "use_cache_branch": np.array([not is_first]),
                    **state,
                },
            )
            self._advance(state, outputs, with_encoder=is_first)
            token, is_first = int(outputs[0][0, -1].argmax()), False
            if token == _END_TOKEN:
                return
            yield token

    def _advance(self, state: _State, outputs: list[npt.NDArray[np.float32]], *, with_encoder: bool) -> None:
        """The encoder's part of the state comes from the first step; later steps return it empty."""
        for name, value in zip(self._outputs[1:], outputs[1:], strict=True):
            if with_encoder or ".decoder." in name:
                state[name.replace("present", "past_key_values")] = value

    def _text(self, tokens: Iterator[int]) -> str:
        written = b"".join(self._tokens[token] for token in tokens)
        return written.decode(errors="replace").replace(_SPACE, " ").strip()


def read_tokens(content: bytes) -> Iterator[bytes]:
    """The vocabulary in a `tokenizer.bin`: tokens in order, each behind its length.

        0xxxxxxx                 length 0 to 127
        1xxxxxxx yyyyyyyy        length x + 128 y

    Raises:
        ValueError: it ends within a token.
    """
    position = 0
    while position < len(content):
        length = content[position]
        position += 1
        if length >= 128:
            if position == len(content):
                raise ValueError("the vocabulary ends within a length")
            length = length - 128 + content[position] * 128
            position += 1
        if position + length > len(content):
            raise ValueError("the vocabulary ends within a token")
        yield content[position : position + length]
        position += length


def _state_names() -> Iterator[str]:
    for layer in range(_LAYERS):
        for part in ("decoder", "encoder"):
            yield f"{layer}.{part}.key"
            yield f"{layer}.{part}.value"


def _session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    # Calls run side by side in a pool; within one, a second thread only costs (57 → 84 ms).
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
