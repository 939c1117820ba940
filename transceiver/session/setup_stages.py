"""When a session reached each stage of being set up. Sans-IO: `now` is monotonic seconds."""

from dataclasses import dataclass


@dataclass(slots=True)
class SetupStages:
    """The first time of each; None: not yet.

    Attributes:
        offered_at: the offer was accepted.
        reached_at: the client's first authentic check came: a path exists.
        connected_at: DTLS was up.
        heard_at: the client's first audio came.
    """

    offered_at: float
    reached_at: float | None = None
    connected_at: float | None = None
    heard_at: float | None = None

    def reached(self, now: float) -> None:
        """A check has come."""
        if self.reached_at is None:
            self.reached_at = now

    def heard(self, now: float) -> None:
        """Audio has come."""
        if self.heard_at is None:
            self.heard_at = now
