"""The C heap, set for this process: one busy thread, a few beside it, calls that come and go."""

import contextlib
import ctypes
from typing import Final

_M_ARENA_MAX: Final = -8
"""mallopt(3)."""


def keep_to_one_arena() -> None:
    """Lets all threads allocate from one arena. Before they begin; a C library without arenas is left alone.

    By default glibc gives each thread that meets another in the allocator an arena of its own. What calls leave there
    can serve only that thread again, so that memory grows with calls that came and went.
    """
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
