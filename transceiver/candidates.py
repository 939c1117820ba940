"""The relays as clients reach them: what an answer may name as candidates.

Either the configuration names them, or discovery follows them, or the relays say it themselves: each announces its
public addresses on the stream on which it follows the flows, once it takes packets and until it drains. The last is
what a fleet of nodes with a port each wants, because no list has to be kept anywhere.
"""

import random
from collections.abc import Collection, Sequence
from ipaddress import ip_address
from typing import Final

from offhook.service.discovery import watch_targets
from offhook.service.discovery_health import DiscoveryHealth
from wire.address import Address, parse_address

ANNOUNCED: Final = "relays"
"""In the configuration: those that the relays announce."""

MOST_DRAWN: Final = 4
"""A client checks each candidate, and pairs each with each of its own: more would cost it time and win nothing."""


class Candidates:
    """What is known of the relays' public addresses now.

    Args:
        configured: as in the configuration.
        rng: draws which relays a client is told of, so that a fleet shares the calls.
        discovery: told how discovery of them fares.
    """

    def __init__(
        self, configured: Sequence[str], rng: random.Random | None = None, *, discovery: DiscoveryHealth | None = None
    ) -> None:
        self._discovery = discovery
        self._targets = [each for each in configured if each != ANNOUNCED]
        self._takes_announced = ANNOUNCED in configured
        self._rng = rng or random.Random()  # noqa: S311 - not a secret
        self._discovered: tuple[Address, ...] = ()
        self._announced: tuple[Address, ...] = ()
        self._known: tuple[Address, ...] = ()

    async def follow(self) -> None:
        """Follows discovery; runs until cancelled."""
        async for found in watch_targets(self._targets, health=self._discovery):
            self._discovered = tuple(sorted(map(parse_address, found), key=self._place_in_configuration))
            self._combine()

    def announced(self, addresses: Collection[Address]) -> None:
        """These are what all relays together announce now."""
        self._announced = tuple(sorted(addresses)) if self._takes_announced else ()
        self._combine()

    def draw(self) -> Sequence[Address]:
        """At most `MOST_DRAWN` of them, each IP version among them if it is among all; none if no relay is known.

        Where all are taken they come as configured, best first; else at random.
        """
        if len(self._known) <= MOST_DRAWN:
            return self._known
        shuffled = self._rng.sample(self._known, len(self._known))
        first_of_each = {ip_address(address.host).version: address for address in reversed(shuffled)}
        # Stable: both versions first, the rest as shuffled.
        return sorted(shuffled, key=lambda address: address not in first_of_each.values())[:MOST_DRAWN]

    def _place_in_configuration(self, address: Address) -> tuple[int, Address]:
        written = [_fixed(target) for target in self._targets]
        return (written.index(address) if address in written else len(written), address)

    def _combine(self) -> None:
        self._known = tuple(dict.fromkeys((*self._discovered, *self._announced)))


def _fixed(target: str) -> Address | None:
    """The address that a target is, if it is one and no place to ask."""
    try:
        return parse_address(target)
    except ValueError:
        return None
