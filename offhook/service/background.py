"""What a service does beside its listeners, for as long as it lives."""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any


class Background:
    """Tasks that end with an exit stack, the last begun first.

    Args:
        stack: its closing cancels each task and waits for its end.
    """

    def __init__(self, stack: contextlib.AsyncExitStack) -> None:
        self._stack = stack
        self._tasks: list[asyncio.Task[Any]] = []

    def start(self, work: Coroutine[Any, Any, object]) -> None:
        """Begins something that should go on for as long as the service; its end ends `first_to_end`."""
        task = asyncio.create_task(work)
        self._tasks.append(task)
        self._stack.push_async_callback(_cancel, task)

    async def first_to_end(self, extra: Coroutine[Any, Any, object], timeout_s: float | None = None) -> bool:
        """Waits until `extra` or any task has ended, or for `timeout_s`. True if `extra` has ended.

        Raises:
            Exception: whatever ended one that should have gone on.
        """
        one_more = asyncio.create_task(extra)
        try:
            done, _ = await asyncio.wait(
                [one_more, *self._tasks], timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                task.result()
            return one_more in done
        finally:
            await _cancel(one_more)


async def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.wait([task])
