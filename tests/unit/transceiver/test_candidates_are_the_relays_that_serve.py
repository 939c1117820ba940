"""Which relays an answer names."""

import asyncio
import random

import pytest

from transceiver.candidates import MOST_DRAWN, Candidates
from wire.address import Address

V4 = [Address(f"203.0.113.{number}", 3478) for number in range(1, 41)]
V6 = [Address("2001:db8::1", 3478)]


async def followed(candidates: Candidates) -> None:
    """Discovery has had its say."""
    following = asyncio.create_task(candidates.follow())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    following.cancel()


async def test_configured_ones_come_as_configured() -> None:
    candidates = Candidates(["203.0.113.9:443", "[2001:db8::1]:3478", "203.0.113.1:3478"])
    await followed(candidates)
    expected = [Address("203.0.113.9", 443), Address("2001:db8::1", 3478), Address("203.0.113.1", 3478)]
    assert list(candidates.draw()) == expected
    candidates.announced([Address("203.0.113.77", 3478)])
    assert list(candidates.draw()) == expected


def test_announced_ones_come_and_go() -> None:
    candidates = Candidates(["relays"])
    assert candidates.draw() == ()
    candidates.announced(V4[:2])
    assert list(candidates.draw()) == V4[:2]
    candidates.announced(V4[1:2])
    assert list(candidates.draw()) == V4[1:2]


def test_relays_behind_one_address_are_one_candidate() -> None:
    candidates = Candidates(["relays"])
    candidates.announced([V4[0], V4[0]])
    assert list(candidates.draw()) == V4[:1]


@pytest.mark.parametrize("seed", range(5))
def test_of_many_a_few_are_drawn_and_calls_are_shared(seed: int) -> None:
    candidates = Candidates(["relays"], random.Random(seed))
    candidates.announced(V4 + V6)
    drawn = [candidates.draw() for _ in range(200)]
    assert all(len(set(each)) == MOST_DRAWN and V6[0] in each for each in drawn)
    assert {address for each in drawn for address in each} == set(V4 + V6)
