"""An event loop on a thread of its own, for tests that have none: those of hypothesis are plain functions."""

import asyncio
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")
ENDS_WITHIN_S = 60.0


class LoopThread:
    """Runs coroutines until it is left."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What comes of it, within ENDS_WITHIN_S."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(ENDS_WITHIN_S)
