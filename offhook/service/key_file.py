"""Key rotation without a restart: the key file is read again when it changes."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import structlog

from offhook.service.config import ConfigError, load_key_ring
from wire.ufrag import KeyRing

_log = structlog.get_logger(__name__)

FileStamp = tuple[int, int, int]
"""Changes when a file is written, replaced, or when the symbolic link of a mounted Secret points elsewhere."""


async def watch_key_ring(path: Path, interval_s: float = 1.0) -> AsyncIterator[KeyRing]:
    """Yield the key ring of `path` at once, then again whenever the file has changed. Never ends.

    A file that is gone or wrong later on is logged once per change, and the ring yielded last stays in force.

    Raises:
        ConfigError: the file is wrong at the start.
    """
    stamp = file_stamp(path)
    yield load_key_ring(path)
    while True:
        await asyncio.sleep(interval_s)
        previous, stamp = stamp, file_stamp(path)
        if stamp == previous:
            continue
        try:
            key_ring = load_key_ring(path)
        except ConfigError as error:
            _log.warning(
                "the key file has changed but cannot be used; the last keys stay in force",
                error=str(error),
            )
            continue
        _log.info("the key file has changed; its keys are in force")
        yield key_ring


def file_stamp(path: Path) -> FileStamp | None:
    """What changes with the file's content; None while it cannot be looked at."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size
