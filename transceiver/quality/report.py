"""What one call was like, told once, at its end. It names the call and nobody in it: no address, no word."""

from dataclasses import dataclass
from typing import Final

from transceiver.quality.e_model import mean_opinion_score, rating
from transceiver.session.setup_stages import SetupStages
from transceiver.session.stats import SessionStats

FEWEST_PACKETS: Final = 50
"""A direction with fewer, a second of audio, is not rated."""
FRAME_S: Final = 0.02
"""What a packet is taken to carry."""
SHORTEST_WAIT_S: Final = 0.04
"""What a receiver whose buffer is not known is taken to wait for late packets."""


@dataclass(frozen=True, slots=True)
class VoiceQuality:
    """What the model's side of a call knows of its audio.

    Attributes:
        concealed_s: caller's audio made up because packets were lost or late; 0 where it is not decoded here.
        late_packet_wait_s: how long a missing packet of the caller's is waited for; None where it is not decoded here.
        answer_gaps: times an answer fell silent because its model was late.
        answer_silence_s: for how long, in all.
    """

    concealed_s: float = 0.0
    late_packet_wait_s: float | None = None
    answer_gaps: int = 0
    answer_silence_s: float = 0.0


@dataclass(frozen=True, slots=True)
class CallReport:
    """See the module's docstring. Durations from the offer on, None for what was not reached; ratios are 0 to 1.

    Attributes:
        call: its id.
        reason: why it ended.
        answered_ms: until a model was on the line and the answer was ready.
        reached_ms: until the client's first check.
        connected_ms: until DTLS was up.
        first_audio_ms: until the client's first audio.
        from_client_packets, from_client_lost: audio packets that came, and that did not.
        from_client_gap_ratio: share of the caller's audio that did not come; None for less than a second of it.
        from_client_mos: as the caller is heard: 1 to 4.41, by the E-model.
        jitter_ms: interarrival jitter (RFC 3550) of the caller's packets at the end.
        concealed_ms: caller's audio that was made up.
        to_client_packets: sent; `to_client_repeated` of them again, because the client had missed them.
        to_client_lost: missed for good, as the client reports.
        to_client_gap_ratio: share of the model's audio that did not come, or came too late from its model.
        to_client_mos: as the model is heard.
        answer_gaps, answer_silence_ms: silence within answers, because their model was late.
        round_trip_ms: between client and transceiver, at the end.
    """

    call: str
    reason: str
    duration_s: float
    answered_ms: int | None
    reached_ms: int | None
    connected_ms: int | None
    first_audio_ms: int | None
    from_client_packets: int
    from_client_lost: int
    from_client_gap_ratio: float | None
    from_client_mos: float | None
    jitter_ms: float
    concealed_ms: int
    to_client_packets: int
    to_client_repeated: int
    to_client_lost: int
    to_client_gap_ratio: float | None
    to_client_mos: float | None
    answer_gaps: int
    answer_silence_ms: int
    round_trip_ms: float | None

    def fields(self) -> dict[str, str | int | float | None]:
        """As a log line has them."""
        return {name: getattr(self, name) for name in self.__slots__}


def report(
    call: str,
    reason: str,
    *,
    stages: SetupStages,
    answered_at: float | None,
    ended_at: float,
    stats: SessionStats,
    voice: VoiceQuality,
) -> CallReport:
    """The report on a call that ended at `ended_at`."""
    lost = max(0, stats.packets_lost)
    missed = max(0, stats.remote_packets_lost)
    from_gap = _share(lost, stats.packets_received + lost)
    to_gap = _share(missed, stats.packets_sent)
    if to_gap is not None:
        spoken_s = stats.packets_sent * FRAME_S
        silent = voice.answer_silence_s / (spoken_s + voice.answer_silence_s)
        to_gap = to_gap + (1 - to_gap) * silent
    path_s = (stats.round_trip_s or 0.0) / 2
    return CallReport(
        call=call,
        reason=reason,
        duration_s=round(ended_at - stages.offered_at, 1),
        answered_ms=_since(stages.offered_at, answered_at),
        reached_ms=_since(stages.offered_at, stages.reached_at),
        connected_ms=_since(stages.offered_at, stages.connected_at),
        first_audio_ms=_since(stages.offered_at, stages.heard_at),
        from_client_packets=stats.packets_received,
        from_client_lost=lost,
        from_client_gap_ratio=_rounded(from_gap, 5),
        from_client_mos=_score(from_gap, path_s + (voice.late_packet_wait_s or SHORTEST_WAIT_S)),
        jitter_ms=round(stats.jitter_s * 1000, 1),
        concealed_ms=round(voice.concealed_s * 1000),
        to_client_packets=stats.packets_sent,
        to_client_repeated=stats.packets_repeated,
        to_client_lost=missed,
        to_client_gap_ratio=_rounded(to_gap, 5),
        to_client_mos=_score(to_gap, path_s + SHORTEST_WAIT_S),
        answer_gaps=voice.answer_gaps,
        answer_silence_ms=round(voice.answer_silence_s * 1000),
        round_trip_ms=round(stats.round_trip_s * 1000, 1) if stats.round_trip_s is not None else None,
    )


def _share(missing: int, expected: int) -> float | None:
    return min(1.0, missing / expected) if expected >= FEWEST_PACKETS else None


def _score(gap: float | None, delay_s: float) -> float | None:
    # A frame is spoken before it is sent.
    return None if gap is None else round(mean_opinion_score(rating(gap, delay_s + FRAME_S)), 2)


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _since(begin: float, end: float | None) -> int | None:
    return None if end is None else round((end - begin) * 1000)
