"""How loud audio is, and how loud it is when nobody speaks."""

from array import array
from math import log10
from operator import mul

SILENCE_DBOV = -127.0
"""Digital silence, by RFC 6464: https://www.rfc-editor.org/rfc/rfc6464#section-3."""

# A fifth of the samples tells the level of 32 ms within 1 dB. Cheaper than handing all of them to a library.
_STRIDE = 5
_FULL_SCALE_SQUARE = 32768.0**2


def level_dbov(pcm: bytes) -> float:
    """Level of 16 bit samples: root mean square relative to full scale, 0 (loudest) to SILENCE_DBOV."""
    samples = array("h", pcm)[::_STRIDE]
    square = sum(map(mul, samples, samples))
    if not square:
        return SILENCE_DBOV
    return max(SILENCE_DBOV, 10 * log10(square / (len(samples) * _FULL_SCALE_SQUARE)))


class NoiseFloor:
    """The level between words: the least of the last three seconds, in four blocks.

    Speech pauses within that time, so the floor needs nobody to tell it what is speech; a fan that starts is part of
    it three seconds later. Digital silence (a muted microphone, DTX) says nothing about the room and is left out.
    """

    _BLOCK_WINDOWS = 24
    _NO_ROOM_DBOV = -80.0
    # A call that begins with speech must not take that for the room.
    _ASSUMED_DBOV = -60.0

    def __init__(self) -> None:
        self._blocks = [self._ASSUMED_DBOV] * 4
        self._heard = 0
        self.dbov = self._ASSUMED_DBOV

    def hear(self, window_dbov: float) -> None:
        """Takes the level of the next window."""
        if window_dbov < self._NO_ROOM_DBOV:
            return
        if self._heard == self._BLOCK_WINDOWS:
            self._heard = 0
            self._blocks.pop(0)
            self._blocks.append(window_dbov)
            self.dbov = min(self._blocks)
        self._heard += 1
        if window_dbov < self._blocks[-1]:
            self._blocks[-1] = window_dbov
            self.dbov = min(self._blocks)
