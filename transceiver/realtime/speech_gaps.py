"""Silence within a spoken answer because its model makes speech slower than it plays. Sans-IO."""

SILENT_S = 1.0
SILENT_SHARE = 0.25
GAPS = 5
"""A model that stops to think makes one long gap; one that cannot keep up makes many."""


class SpeechGaps:
    """Follows the answers of one session. `now` is in monotonic seconds."""

    def __init__(self) -> None:
        self.all_gaps = 0
        """In all answers so far."""
        self.all_silent_s = 0.0
        self._response_id = ""
        self._began_at = 0.0
        self._dry_since: float | None = None
        self._silent_s = 0.0
        self._gaps = 0
        self._told = False

    def drained(self, response_id: str, now: float) -> None:
        """All of the response that has come has been played, and it goes on."""
        if response_id == self._response_id:
            self._dry_since = now

    def spoke(self, response_id: str, now: float) -> bool:
        """More of its audio has come; whether the caller is to be told of its gaps, once for each response."""
        if response_id != self._response_id:
            self._response_id, self._began_at, self._dry_since = response_id, now, None
            self._silent_s, self._gaps, self._told = 0.0, 0, False
            return False
        if self._dry_since is None:
            return False
        silent_s = now - self._dry_since
        self._silent_s += silent_s
        self.all_silent_s += silent_s
        self._gaps += 1
        self.all_gaps += 1
        self._dry_since = None
        long = self._silent_s >= max(SILENT_S, SILENT_SHARE * (now - self._began_at))
        if self._told or not long or self._gaps < GAPS:
            return False
        self._told = True
        return True
