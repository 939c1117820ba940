"""A routing key is replaced while calls are up: add, mint, retire, as docs/relay.md tells operators to."""

import asyncio
import base64
import contextlib
import json
import secrets
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.support.live_caller import LiveCaller, calling
from tests.support.metrics import read_metrics
from tests.support.planned_fabric import PlannedFabric, RoleProcess, planned_fabric

UNKNOWN_KEY = 'fabric_relay_drops_total{reason="unknown_key"}'


async def test_no_call_is_lost_and_the_retired_key_opens_no_door(tmp_path: Path) -> None:
    async with planned_fabric(tmp_path) as fabric, contextlib.AsyncExitStack() as calls:
        relay = await fabric.relay("relay-0")
        (first,) = json.loads(fabric.keys_file.read_text())["configurations"]
        second = {"id": "B", "secret": base64.b64encode(secrets.token_bytes(32)).decode(), "mint": False}
        oldest = await calls.enter_async_context(calling(fabric))

        write_keys(fabric, first, second)
        await in_force(relay, "A", "B")
        old = await calls.enter_async_context(calling(fabric))
        assert key_of(oldest) == key_of(old) == "A"

        write_keys(fabric, {**first, "mint": False}, {**second, "mint": True})
        new = await call_minted_with(fabric, "B", calls)
        await all_go_on(oldest, old, new)
        assert read_metrics(relay.entry)[UNKNOWN_KEY] == 0

        # A key goes when the calls that it has minted have gone.
        for caller in (oldest, old):
            await hang_up(caller)
        write_keys(fabric, {**second, "mint": True})
        await in_force(relay, "B")
        newest = await calls.enter_async_context(calling(fabric))
        newest.send_raw(oldest.client.ice.check(time.monotonic(), nominate=True))
        await until(lambda: read_metrics(relay.entry)[UNKNOWN_KEY] == 1, "the retired key is refused")
        await all_go_on(new, newest)


def write_keys(fabric: PlannedFabric, *configurations: dict[str, object]) -> None:
    """Replaces the key file in one step, as a mounted Secret changes."""
    unfinished = fabric.keys_file.with_suffix(".new")
    unfinished.write_text(json.dumps({"configurations": configurations}))
    unfinished.replace(fabric.keys_file)


async def in_force(relay: RoleProcess, *ids: str) -> None:
    """Returns once the relay accepts exactly these keys."""
    expected = {f'fabric_relay_route_key{{id="{key}"}}' for key in ids}

    def held() -> set[str]:
        return {sample for sample in read_metrics(relay.entry) if sample.startswith("fabric_relay_route_key{")}

    await until(lambda: held() == expected, f"keys {ids} in force")


async def call_minted_with(fabric: PlannedFabric, key: str, calls: contextlib.AsyncExitStack) -> LiveCaller:
    """A call of the new key: the first one after the transceiver has read the file."""
    async with asyncio.timeout(20):
        while True:
            caller = await calls.enter_async_context(calling(fabric))
            if key_of(caller) == key:
                return caller
            await hang_up(caller)


async def hang_up(caller: LiveCaller) -> None:
    await caller.stop_speaking()
    caller.client.ice.stop()
    status, body, _ = await caller.request("POST", f"/v1/realtime/calls/{caller.call_id}/hangup")
    assert status == 200, body


def key_of(caller: LiveCaller) -> str:
    """The id of the key that its ufrag was minted with."""
    return caller.client.ice.remote_ufrag[0]


async def all_go_on(*callers: LiveCaller) -> None:
    """Each hears itself, and each is heard to be alive: a check of its own is answered."""
    for caller in callers:
        await caller.until(partial(has_heard, caller, len(caller.heard) + 10), "audio")
        await caller.until(partial(was_answered, caller, caller.client.ice.responses + 1), "an answer to a check")


def has_heard(caller: LiveCaller, count: int) -> bool:
    return len(caller.heard) >= count


def was_answered(caller: LiveCaller, count: int) -> bool:
    return caller.client.ice.responses >= count


async def until(condition: Callable[[], bool], what: str) -> None:
    """Asks a process, over HTTP, until it says what is waited for."""
    try:
        async with asyncio.timeout(20):
            while not await asyncio.to_thread(condition):
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"not within 20 s: {what}") from None
