"""PCM as numpy arrays, and back. Needs numpy: `pip install offhook-worker[numpy]`."""

import numpy as np
import numpy.typing as npt

from offhook_worker.audio import Audio
from offhook_worker.utterance import Utterance

_FULL_SCALE = 32768.0


def int16(audio: Audio | Utterance) -> npt.NDArray[np.int16]:
    """The samples of PCM audio, as they are; channels interleaved. A read-only view."""
    return np.frombuffer(_pcm(audio), dtype="<i2")


def float32(audio: Audio | Utterance) -> npt.NDArray[np.float32]:
    """The samples of PCM audio from -1 to 1; channels interleaved."""
    return int16(audio).astype(np.float32) / np.float32(_FULL_SCALE)


def to_pcm(samples: npt.NDArray[np.int16] | npt.NDArray[np.floating]) -> bytes:
    """Samples (16 bit, or floating point from -1 to 1) as PCM. What is louder is clipped; what is no number, silence.

    Raises:
        TypeError: samples of another type.
    """
    if samples.dtype != np.int16:
        if not np.issubdtype(samples.dtype, np.floating):
            raise TypeError(f"samples are int16 or floating point, not {samples.dtype}")
        scaled = np.nan_to_num(samples * _FULL_SCALE, nan=0.0, posinf=0.0, neginf=0.0)
        samples = np.clip(np.rint(scaled), -32768, 32767).astype(np.int16)
    pcm: bytes = samples.astype("<i2", copy=False).tobytes()
    return pcm


def _pcm(audio: Audio | Utterance) -> bytes:
    """Whole samples; a transceiver that cuts one in two is wrong, but no reason to fail a call."""
    pcm = audio.payload if isinstance(audio, Audio) else audio.pcm
    return pcm if len(pcm) % 2 == 0 else pcm[:-1]
