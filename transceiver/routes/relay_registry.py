"""Which relays may send datagrams here. Sans-IO.

A transceiver takes datagrams only from relays that subscribed to it. A relay whose stream ends is kept for a grace
period, because a lost stream is not a lost relay: its media must go on while it reconnects.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from wire.address import Address


@dataclass
class _Relay:
    addresses: frozenset[Address]
    public_addresses: frozenset[Address] = frozenset()
    streams: int = 0
    left_at: float | None = field(default=None)


class RelayRegistry:
    """Subscribed relays, keyed by id and incarnation.

    Args:
        grace_s: how long the addresses of a relay without a stream stay accepted.
        max_relays: bound on relays held at once, connected or in grace.
    """

    def __init__(self, *, grace_s: float, max_relays: int = 4096) -> None:
        self._grace_s = grace_s
        self._max_relays = max_relays
        self._relays: dict[tuple[str, int], _Relay] = {}

    def joined(self, relay_id: str, incarnation: int, addresses: Iterable[Address]) -> bool:
        """A relay opened a stream. False if the registry is full and the relay must be refused."""
        key = (relay_id, incarnation)
        relay = self._relays.get(key)
        if relay is None:
            if len(self._relays) >= self._max_relays:
                return False
            relay = self._relays[key] = _Relay(frozenset())
        relay.addresses = frozenset(addresses)
        relay.streams += 1
        relay.left_at = None
        return True

    def left(self, relay_id: str, incarnation: int, now: float) -> None:
        """A relay's stream ended; its grace begins unless it has another stream."""
        relay = self._relays[relay_id, incarnation]
        relay.streams -= 1
        if relay.streams == 0:
            relay.left_at = now

    def announced(self, relay_id: str, incarnation: int, public_addresses: Iterable[Address]) -> None:
        """A relay with a stream said where clients reach it; nowhere, if it drains."""
        self._relays[relay_id, incarnation].public_addresses = frozenset(public_addresses)

    def expire(self, now: float) -> bool:
        """Forgets relays whose grace is over. True if any was forgotten."""
        gone = [
            key
            for key, relay in self._relays.items()
            if relay.left_at is not None and now - relay.left_at >= self._grace_s
        ]
        for key in gone:
            del self._relays[key]
        return bool(gone)

    def addresses(self) -> Collection[Address]:
        """Every address that may send datagrams here now."""
        return {address for relay in self._relays.values() for address in relay.addresses}

    def public_addresses(self) -> Collection[Address]:
        """Where clients reach the relays that have a stream now."""
        return {address for relay in self._relays.values() if relay.streams > 0 for address in relay.public_addresses}

    @property
    def connected(self) -> int:
        """Relays with an open stream."""
        return sum(relay.streams > 0 for relay in self._relays.values())
