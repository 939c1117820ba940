"""SIGTERM to a transceiver ends its calls in good order: the caller is told, rather than left in silence."""

import os
import signal

from tests.support.fabric import running_fabric
from tests.support.live_caller import calling


async def test_the_caller_gets_close_notify_through_the_relay() -> None:
    with running_fabric("--relays", "2", "--transceivers", "1", "--workers", "1") as fabric:
        async with calling(fabric) as caller:
            (transceiver,) = fabric.processes("transceiver")
            os.kill(transceiver["pid"], signal.SIGTERM)
            dtls = caller.client.dtls
            assert dtls is not None
            await caller.until(lambda: dtls.closed_by_remote, "close_notify")
