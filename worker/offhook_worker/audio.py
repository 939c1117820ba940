"""The one audio type, for both directions."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Audio:
    """One codec frame (or, as PCM, any stretch of samples).

    Attributes:
        payload: coded as the session's input or output format says.
        duration_us: how long it plays; more than 0.
        media_time_us: input: when it begins, counted from the session's first frame, leaping over what was lost.
            Output: when it begins within its response's audio.
        level_dbov: input: RFC 6464 level, 0 (loudest) to 127 (silence); None where the client sent none.
        lost_before: input: frames lost directly before this one.
        response_id: output: the response it belongs to; empty outside any response.
    """

    payload: bytes
    duration_us: int
    media_time_us: int = 0
    level_dbov: int | None = None
    lost_before: int = 0
    response_id: str = ""
