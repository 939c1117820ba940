"""What calls leave behind in the C heap serves the next ones, whatever thread they meet."""

import platform
import re
import subprocess
import sys

import pytest

ARENAS_OF_EIGHT_THREADS = """
import ctypes, os, sys, threading
from transceiver.heap import keep_to_one_arena

if sys.argv[1] == "kept":
    keep_to_one_arena()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
together = threading.Barrier(8)

def allocate():
    together.wait()
    for _ in range(2000):
        # ctypes lets go of Python's lock, so that threads meet in the allocator.
        libc.malloc(4000)

threads = [threading.Thread(target=allocate) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc.fdopen.restype = ctypes.c_void_p
out = ctypes.c_void_p(libc.fdopen(os.dup(1), b"w"))
libc.malloc_info(0, out)
libc.fclose(out)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no arenas")
def test_one_arena_serves_all_threads() -> None:
    assert arenas("kept") == 1
    # Otherwise this test could not fail.
    assert arenas("left alone") > 1


def arenas(how: str) -> int:
    command = [sys.executable, "-c", ARENAS_OF_EIGHT_THREADS, how]
    described = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    return len(re.findall(r"<heap nr=", described))
