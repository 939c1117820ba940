"""The level gate: silence is not worth an inference. Sans-IO."""

from transceiver.turns.level import NoiseFloor, level_dbov
from transceiver.turns.windows import WINDOW_US, Window

PRE_ROLL_WINDOWS = 16
"""Windows from before the gate opened that the model hears too: a soft onset, and what settles its state."""

_OPEN_OVER_FLOOR_DB = 6.0
# Softer than this is nobody's voice; louder than that is always worth listening to, however loud the room is.
_OPEN_AT_LEAST_DBOV = -60.0
_OPEN_AT_MOST_DBOV = -40.0
_HANGOVER_WINDOWS = 480_000 // WINDOW_US
# A client that says silence is checked this often, well within the pre-roll: no word is lost to one that is wrong.
_CHECK_EVERY_WINDOWS = 8
_WRONG_BY_DB = 6.0


class LevelGate:
    """Open while something is louder than the room, or while the model hears speech, and 0.5 s longer.

    The level is the client's (RFC 6464) where it sent one, else measured. A client that claims silence over audible
    sound is believed no more.

    Attributes:
        is_quiet: the last window was not louder than the room.
    """

    def __init__(self) -> None:
        self._floor = NoiseFloor()
        self._hangover = 0
        self._believed = True
        self._unchecked = 0
        self.is_quiet = True

    @property
    def believes_client(self) -> bool:
        """False once the client's levels have proved wrong."""
        return self._believed

    def passes(self, window: Window) -> bool:
        """Whether the window is worth listening to. A long gap, which has no samples, is not asked about."""
        level = self._level(window)
        self._floor.hear(level)
        self.is_quiet = level < self._opens_at
        if not self.is_quiet:
            self._hangover = _HANGOVER_WINDOWS
            return True
        if self._hangover:
            self._hangover -= 1
        return self._hangover > 0

    def speech_heard(self) -> None:
        """The model takes a window for speech: keep listening, even where the voice hardly stands out."""
        self._hangover = _HANGOVER_WINDOWS

    @property
    def _opens_at(self) -> float:
        return min(_OPEN_AT_MOST_DBOV, max(_OPEN_AT_LEAST_DBOV, self._floor.dbov + _OPEN_OVER_FLOOR_DB))

    def _level(self, window: Window) -> float:
        if window.client_level_dbov is None or not self._believed:
            return level_dbov(window.pcm)
        claimed = -float(window.client_level_dbov)
        if claimed >= self._opens_at:
            return claimed
        self._unchecked += 1
        if self._unchecked < _CHECK_EVERY_WINDOWS:
            return claimed
        self._unchecked = 0
        measured = level_dbov(window.pcm)
        self._believed = measured < max(claimed, self._opens_at) + _WRONG_BY_DB
        return measured
