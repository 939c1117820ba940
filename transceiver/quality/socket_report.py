"""What a session on a WebSocket was like, told once, at its end. It names the call: no address, no word.

There is no RTP: what of the audio is late on its way is TCP's affair and the client's, which plays it. So this has
waits and amounts, and no loss, jitter, gaps or MOS.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SocketReport:
    """See the module's docstring. Durations from the opening on, None for what was not reached.

    Attributes:
        call: its id.
        reason: why it ended.
        transport: to tell it from the report of a call with media.
        answered_ms: until a model was on the line.
        first_audio_ms: until the client's first audio.
        from_client_audio_ms: audio of the client that was heard.
        answer_audio_ms: audio of answers, as it came from the model.
    """

    call: str
    reason: str
    transport: str
    duration_s: float
    answered_ms: int | None
    first_audio_ms: int | None
    from_client_audio_ms: int
    answer_audio_ms: int

    def fields(self) -> dict[str, str | int | float | None]:
        """As a log line has them."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class SocketTimes:
    """What the report is made of. Monotonic seconds; None: not yet.

    Attributes:
        opened_at: the session object was accepted.
        answered_at: a worker had taken it.
        heard_at: the client's first audio came.
        answer_audio_us: so far.
    """

    opened_at: float
    answered_at: float | None = None
    heard_at: float | None = None
    answer_audio_us: int = 0

    def report(self, call: str, reason: str, *, ended_at: float, from_client_audio_us: int) -> SocketReport:
        """The report on a session that ended at `ended_at`."""
        return SocketReport(
            call=call,
            reason=reason,
            transport="websocket",
            duration_s=round(ended_at - self.opened_at, 1),
            answered_ms=_since(self.opened_at, self.answered_at),
            first_audio_ms=_since(self.opened_at, self.heard_at),
            from_client_audio_ms=round(from_client_audio_us / 1000),
            answer_audio_ms=round(self.answer_audio_us / 1000),
        )


def _since(begin: float, end: float | None) -> int | None:
    return None if end is None else round((end - begin) * 1000)
