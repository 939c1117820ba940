"""A client side's scheduled frames without a media port: what it has heard, and what can still be taken back."""

from collections.abc import Callable


class ScheduledFrames:
    """What is due has been heard.

    Args:
        now: monotonic clock in seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._frames: list[tuple[float, bytes]] = []
        self.audio_unconfirmed: int | None = None
        """See `ClientSide`."""

    def send_audio(self, payload: bytes, rtp_timestamp: int, marker: bool) -> None:
        """See `ClientSide`."""
        assert self.audio_waiting == 0
        self._frames.append((self._now(), payload))

    def schedule_audio(
        self, payload: bytes, rtp_timestamp: int, marker: bool, due: float, level_dbov: int | None
    ) -> None:
        """See `ClientSide`."""
        self._frames.append((due, payload))

    @property
    def audio_waiting(self) -> int:
        """See `ClientSide`."""
        now = self._now()
        return sum(due > now for due, _ in self._frames)

    def take_back_audio(self) -> int:
        """See `ClientSide`."""
        count = self.audio_waiting
        self._frames = self._frames[: len(self._frames) - count]
        return count

    @property
    def left(self) -> list[tuple[float, bytes]]:
        """The frames that have left, in order, each with the time when it did."""
        now = self._now()
        return [(due, payload) for due, payload in self._frames if due <= now]

    @property
    def heard(self) -> list[bytes]:
        """The same without the time."""
        return [payload for _, payload in self.left]
