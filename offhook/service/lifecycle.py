"""A service's process: run until told to stop, and say when it is ready."""

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import uvloop


def run_service(main: Callable[[asyncio.Event], Awaitable[None]]) -> int:
    """Run `main` on a uvloop event loop until it returns; returns exit code 0.

    SIGTERM or SIGINT sets the event that `main` was given: it then drains and returns. A second one ends the process at
    once, with the code that a shell gives such a death (128 + the signal's number).

    Raises:
        whatever `main` raises.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_until_stopped(main))
    return 0


async def _until_stopped(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    stop = asyncio.Event()

    def stop_or_exit(number: int) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop_or_exit, number)
    await main(stop)


def write_ready_file(path: Path | None, content: Mapping[str, object]) -> None:
    """Write `content` as JSON, readable by its owner only (it may name an API key).

    A reader sees the old file, the new one, or none, and never a part. Nothing happens when `path` is None.

    Raises:
        OSError: it cannot be written.
    """
    if path is None:
        return
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file)
    unfinished.replace(path)
