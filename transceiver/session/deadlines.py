"""When a session has to end, whatever else happens."""

from transceiver.config import SessionLimits
from transceiver.session.actions import CloseReason


class Deadlines:
    """Set-up, consent and length of one session that begins `now`."""

    def __init__(self, limits: SessionLimits, now: float) -> None:
        self._setup = now + limits.setup_timeout_s
        self._duration = now + limits.max_duration_s
        self._consent_timeout_s = limits.consent_timeout_s
        self._consent: float | None = None

    def consent_given(self, now: float) -> None:
        """The client has sent an authentic check: RFC 7675 section 5.1 from the controlled side."""
        self._consent = now + self._consent_timeout_s

    def earliest(self, *, connected: bool) -> float:
        """When the first of them is reached."""
        earliest = self._duration if connected else min(self._duration, self._setup)
        return earliest if self._consent is None else min(earliest, self._consent)

    def expired(self, now: float, *, connected: bool) -> CloseReason | None:
        """The one that has been reached."""
        if now >= self._duration:
            return CloseReason.MAX_DURATION
        if not connected and now >= self._setup:
            return CloseReason.SETUP_TIMEOUT
        if self._consent is not None and now >= self._consent:
            return CloseReason.CONSENT_EXPIRED
        return None
