"""Which relays a transceiver listens to."""

from transceiver.routes.relay_registry import RelayRegistry
from wire.address import Address

FIRST = Address("127.0.0.1", 40_001)
SECOND = Address("127.0.0.1", 40_002)


def test_a_relay_is_accepted_from_its_subscription_on() -> None:
    relays = RelayRegistry(grace_s=60)
    assert relays.joined("relay-1", 1, [FIRST])
    assert set(relays.addresses()) == {FIRST}
    assert relays.connected == 1


def test_a_lost_stream_is_not_a_lost_relay_until_the_grace_is_over() -> None:
    relays = RelayRegistry(grace_s=60)
    relays.joined("relay-1", 1, [FIRST])
    relays.left("relay-1", 1, now=100.0)
    assert not relays.expire(now=159.0)
    assert set(relays.addresses()) == {FIRST}
    assert relays.expire(now=160.0)
    assert not relays.addresses()


def test_a_relay_that_comes_back_stays() -> None:
    relays = RelayRegistry(grace_s=60)
    relays.joined("relay-1", 1, [FIRST])
    relays.left("relay-1", 1, now=100.0)
    relays.joined("relay-1", 1, [FIRST])
    assert not relays.expire(now=1000.0)
    assert relays.connected == 1


def test_a_restarted_relay_is_another_one() -> None:
    relays = RelayRegistry(grace_s=60)
    relays.joined("relay-1", 1, [FIRST])
    relays.left("relay-1", 1, now=100.0)
    relays.joined("relay-1", 2, [SECOND])
    assert set(relays.addresses()) == {FIRST, SECOND}
    relays.expire(now=200.0)
    assert set(relays.addresses()) == {SECOND}


def test_a_full_registry_refuses_another_relay() -> None:
    relays = RelayRegistry(grace_s=60, max_relays=1)
    assert relays.joined("relay-1", 1, [FIRST])
    assert not relays.joined("relay-2", 1, [SECOND])
    assert set(relays.addresses()) == {FIRST}
