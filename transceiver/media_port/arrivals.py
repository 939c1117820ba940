"""When the client's packets came, by their transport-wide sequence numbers, until a feedback packet has said so."""

from typing import Final

from transceiver.media_port.transport_feedback import TICKS_PER_SECOND, build_transport_feedback

FEEDBACK_INTERVAL_S: Final = 0.25
"""From the first packet that is not reported until the next that comes after it. The longest of libwebrtc's own, 50 to
250 ms: audio alone has little to adapt, and each feedback costs what an echoed packet does."""
MAX_ARRIVALS: Final = 256
"""Ten times what an audio client sends within the interval."""
MAX_GAP: Final = 1000
"""A leap beyond that is a client that has begun to number anew."""
MAX_STATUSES: Final = 2000
"""In one feedback packet, which then still fits a datagram."""

_MEMORY_S: Final = 0.5
_SEQUENCE_RANGE: Final = 1 << 16


class ArrivalLog:
    """One client's packets. What was reported is remembered for half a second, in case an older one turns up late."""

    def __init__(self) -> None:
        self.due: float | None = None
        """When feedback may be sent; None if there is nothing to say."""
        self._arrivals: dict[int, int] = {}
        self._highest: int | None = None
        self._start = 0
        self._feedback_count = 0

    def received(self, sequence: int, now: float) -> None:
        """Notes a packet with the transport-wide number `sequence`."""
        arrivals, highest = self._arrivals, self._highest
        if highest is not None and sequence == (highest + 1) % _SEQUENCE_RANGE:
            extended = self._highest = highest + 1
        else:
            extended = self._extend(sequence)
        if extended in arrivals:
            return
        if len(arrivals) >= MAX_ARRIVALS:
            del arrivals[next(iter(arrivals))]
        arrivals[extended] = int(now * TICKS_PER_SECOND)
        self._start = min(self._start, extended)
        if self.due is None:
            self.due = now + FEEDBACK_INTERVAL_S

    def _extend(self, sequence: int) -> int:
        """The number with its wraps, by the smallest distance from the highest one."""
        if self._highest is None:
            self._highest = self._start = sequence
            return sequence
        half = _SEQUENCE_RANGE // 2
        distance = (sequence - self._highest + half) % _SEQUENCE_RANGE - half
        extended = self._highest + distance
        if abs(distance) > MAX_GAP:
            self._arrivals.clear()
            self._highest = self._start = extended
        elif distance > 0:
            self._highest = extended
        return extended

    def feedback(self, sender_ssrc: int, media_ssrc: int, now: float) -> bytes | None:
        """The feedback packet that is due, if one is."""
        if self.due is None or now < self.due or self._highest is None:
            return None
        self.due = None
        horizon = int((now - _MEMORY_S) * TICKS_PER_SECOND)
        start, end = self._start, self._highest + 1
        self._arrivals = {
            number: arrival for number, arrival in self._arrivals.items() if arrival >= horizon or number >= start
        }
        base = max(start, end - MAX_STATUSES)
        statuses = [self._arrivals.get(number) for number in range(base, end)]
        self._start = end
        if not any(arrival is not None for arrival in statuses):
            return None
        packet = build_transport_feedback(sender_ssrc, media_ssrc, base, statuses, self._feedback_count)
        self._feedback_count += 1
        return packet
