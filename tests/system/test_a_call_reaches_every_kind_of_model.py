"""A client on a real socket, through real relays, to a worker or to the transceiver's own loopback."""

import itertools

import pytest

from tests.support.fabric import Fabric
from tests.support.live_caller import LiveCaller, calling, error_code, frame_number
from tests.support.webrtc_client import ClientOptions

SDP = {"Content-Type": "application/sdp"}


@pytest.mark.parametrize("model", ["echo", "loopback"])
async def test_every_frame_comes_back_untouched_and_in_order(fabric: Fabric, model: str) -> None:
    async with calling(fabric, model=model) as caller:
        await caller.until(lambda: len(caller.heard) >= 50, "fifty echoes")
        numbers = [frame_number(payload) for payload in caller.heard]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        timestamps = [audio.timestamp for audio in caller.client.audio]
        assert {(after - before) % (1 << 32) for before, after in itertools.pairwise(timestamps)} == {960}


async def test_the_model_may_be_left_to_the_fabric(fabric: Fabric) -> None:
    async with LiveCaller(fabric) as caller:
        await caller.call(path="/v1/realtime/calls")
        caller.speak()
        await caller.until(lambda: len(caller.heard) >= 5, "echoes")


async def test_the_client_may_insist_on_the_active_dtls_role(fabric: Fabric) -> None:
    async with calling(fabric, options=ClientOptions(setup="active")) as caller:
        await caller.until(lambda: len(caller.heard) >= 10, "echoes")


async def test_a_model_that_nobody_serves(fabric: Fabric) -> None:
    async with LiveCaller(fabric) as caller:
        status, body, _ = await caller.request(
            "POST", "/v1/realtime/calls?model=oracle", headers=SDP, body=caller.client.offer()
        )
    assert (status, error_code(body)) == (404, "model_not_found")
    assert "echo" in body
