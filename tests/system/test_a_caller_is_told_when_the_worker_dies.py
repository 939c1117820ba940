"""SIGKILL of the worker: an event or an orderly end within two seconds, never silence."""

import time
from collections.abc import Callable

from tests.support.fabric import running_fabric
from tests.support.live_caller import LiveCaller, calling, error_code


async def test_the_call_ends_in_order_when_its_worker_is_killed(show: Callable[[str], None]) -> None:
    with running_fabric("--relays", "1", "--transceivers", "1", "--workers", "1") as fabric:
        async with calling(fabric) as caller:
            (worker,) = fabric.processes("worker")
            fabric.kill(worker)
            killed_at = time.monotonic()
            dtls = caller.client.dtls
            assert dtls is not None
            await caller.until(lambda: dtls.closed_by_remote, "an orderly end", within_s=2.0)
            show(f"worker killed: the caller was told after {(time.monotonic() - killed_at) * 1000:.0f} ms")


async def test_without_a_worker_a_new_call_is_refused_with_503() -> None:
    with running_fabric("--relays", "1", "--transceivers", "1", "--workers", "0") as fabric:
        async with LiveCaller(fabric) as caller:
            status, body, _ = await caller.request(
                "POST",
                "/v1/realtime/calls?model=echo",
                headers={"Content-Type": "application/sdp"},
                body=caller.client.offer(),
            )
            assert (status, error_code(body)) == (503, "no_capacity")
