"""When a session lets its client's audio pass in the lane (`media_port/lane.py`), and what it learns of it."""

from transceiver.media_port.interface import AudioLane, Path
from transceiver.session.audio_receiver import AudioReceiver
from transceiver.session.paths import PathTable


class LaneUse:
    """One session's use of its lane: entered where the stream stands, left before the stream or its path is touched.

    Args:
        lane: passes audio that comes in order.
        receiver: whose stream it is.
        paths: on which of them it comes.
    """

    def __init__(self, lane: AudioLane, receiver: AudioReceiver, paths: PathTable) -> None:
        self._lane = lane
        self._receiver = receiver
        self._paths = paths
        self._path: Path | None = None

    def catch_up(self) -> None:
        """Takes note of what has passed: before the stream or its path is looked at."""
        progress = self._lane.take_progress() if self._path is not None else None
        if progress is not None:
            self._receiver.passed(progress)
            self._paths.media_has_come(progress.last_arrival)

    def enter(self) -> None:
        """Lets audio pass from here on, if there is a stream that it could follow."""
        path, whereabouts = self._paths.media_path, self._receiver.whereabouts()
        if path is not None and whereabouts is not None:
            self._lane.open(path, *whereabouts)
            self._path = path

    def leave(self) -> None:
        """Has every packet told."""
        if self._path is not None:
            self.catch_up()
            self._lane.close()
            self._path = None

    def leave_if_moved(self) -> None:
        """The same where media comes in on another path now."""
        if self._path is not self._paths.media_path:
            self.leave()
