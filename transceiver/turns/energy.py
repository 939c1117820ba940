"""Speech by loudness: what serves where no model is installed. Sans-IO."""

from math import exp

from transceiver.turns.level import SILENCE_DBOV, NoiseFloor, level_dbov
from transceiver.turns.windows import Window

# Half a chance of speech at this much over the room, and how fast it grows from there.
_EVEN_OVER_FLOOR_DB = 12.0
_SLOPE_DB = 3.0
# Softer than this is nobody's voice, and a room louder than that does not drown one.
_LEAST_DBOV = -52.0
_LOUDEST_FLOOR_DBOV = -40.0


class EnergyVad:
    """Tells speech from silence by how far it stands out. It takes music, and a long enough bang, for speech."""

    def __init__(self) -> None:
        self._floor = NoiseFloor()

    def probability(self, window: Window) -> float:
        """0 to 1, that the window holds speech; 0.5 is where a voice in a quiet room begins."""
        level = level_dbov(window.pcm) if window.pcm else SILENCE_DBOV
        self._floor.hear(level)
        if level < _LEAST_DBOV:
            return 0.0
        over_floor_db = level - min(self._floor.dbov, _LOUDEST_FLOOR_DBOV)
        return 1 / (1 + exp((_EVEN_OVER_FLOOR_DB - over_floor_db) / _SLOPE_DB))
