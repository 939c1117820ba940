"""Figures of one session, for whoever watches it."""

from dataclasses import dataclass

from transceiver.session.audio_receiver import AudioReceiver
from transceiver.session.audio_sender import AudioSender
from transceiver.session.reporting import Reporter


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


def snapshot(receiver: AudioReceiver, sender: AudioSender, reporter: Reporter) -> SessionStats:
    """The figures as they are now."""
    return SessionStats(
        packets_received=receiver.packets_received,
        bytes_received=receiver.bytes_received,
        packets_lost=receiver.packets_lost,
        jitter_s=receiver.jitter_s,
        packets_sent=sender.packets_sent,
        packets_repeated=sender.packets_repeated,
        bytes_sent=sender.octets_sent,
        remote_packets_lost=sender.packets_lost,
        remote_fraction_lost=sender.fraction_lost,
        round_trip_s=reporter.round_trip_s,
    )
