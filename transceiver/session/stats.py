"""Figures of one session, for whoever watches it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SessionStats:
    """What a session knows of its media.

    Attributes:
        packets_lost: of the client's, expected minus received.
        jitter_s: interarrival jitter of the client's packets.
        packets_sent: of ours, `packets_repeated` of them a second time because the client missed them.
        remote_packets_lost, remote_fraction_lost: of ours, as the client reports.
        round_trip_s: between us and the client, by RTCP; None before the first report.
    """

    packets_received: int
    bytes_received: int
    packets_lost: int
    jitter_s: float
    packets_sent: int
    packets_repeated: int
    bytes_sent: int
    remote_packets_lost: int
    remote_fraction_lost: float
    round_trip_s: float | None
