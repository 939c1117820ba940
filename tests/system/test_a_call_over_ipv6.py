"""The same call with an IPv6 client and an IPv6 public address."""

import pytest

from tests.support.fabric import running_fabric
from tests.support.live_caller import calling, frame_number


@pytest.mark.parametrize("engine", ["python", "native"])
async def test_every_frame_comes_back_over_ipv6(engine: str) -> None:
    if engine == "native":
        pytest.importorskip("offhook_datapath", reason="the native module is not built here")
    with running_fabric("--media", "[::1]:0", "--relays", "2", "--transceivers", "1", "--engine", engine) as fabric:
        assert fabric.ready["media"][0].startswith("[::1]:")
        async with calling(fabric, local_host="::1") as caller:
            await caller.until(lambda: len(caller.heard) >= 50, "fifty echoes")
            numbers = [frame_number(payload) for payload in caller.heard]
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
