"""Serves a worker over gRPC."""

import asyncio
from collections.abc import Callable

from offhook_worker.options import ServeOptions
from offhook_worker.worker import VoiceWorker


async def run(
    worker: VoiceWorker,
    address: str,
    options: ServeOptions | None = None,
    *,
    stop: asyncio.Event | None = None,
    on_listening: Callable[[str], None] | None = None,
) -> None:
    """Serves `worker` until `stop` is set, then drains.

    Args:
        address: "127.0.0.1:9000", "[::1]:0" or "unix:/path/socket".
        on_listening: called once with the address bound, in the same form, with the port that 0 became.

    Raises:
        OSError: the address cannot be bound.
    """
    raise NotImplementedError


def serve(worker: VoiceWorker, address: str, options: ServeOptions | None = None) -> None:
    """Serves `worker` until SIGTERM or SIGINT, then drains; a second signal ends it at once. Blocks."""
    raise NotImplementedError
