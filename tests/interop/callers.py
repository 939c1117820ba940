"""Foreign WebRTC stacks as processes of their own: how each is started, and what it cannot do.

Each makes two calls of model `loopback` by WHIP and prints one JSON object, which `findings` reads. In the first call
it has its messages echoed on two data channels, says the speech of tests/data, restarts ICE meanwhile if it can, and
waits to see that the server hangs up. In the second it hangs up itself.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.fabric import Fabric

HERE = Path(__file__).parent
CLIENTS = HERE / "clients"
DATA = HERE.parent / "data"
PION = HERE.parents[1] / "build" / "pion-caller"
SYSTEM_PYTHON = "/usr/bin/python3"


@dataclass(frozen=True)
class Caller:
    """One stack.

    Attributes:
        name: in the table of docs/interop.md.
        command: starts it, without the arguments that all take.
        missing: what keeps it from running here, or None.
        restarts_ice: whether it can restart ICE towards an ICE-lite server.
        says_goodbye: whether its end tells the server; if not, consent expires after 30 s.
        pinned: whether its version is ours to choose.
        note: for the table.
    """

    name: str
    command: Sequence[str | Path]
    missing: Callable[[], str | None]
    restarts_ice: bool = True
    says_goodbye: bool = True
    pinned: bool = True
    note: str = ""

    def start(self, fabric: Fabric) -> subprocess.Popen[bytes]:
        """Starts it against a fabric; its findings come on standard output."""
        return subprocess.Popen(
            [*self.command, fabric.http, fabric.api_key, DATA], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
        )


def _without_node() -> str | None:
    if shutil.which("node") is None:
        return "no node here"
    if not (HERE / "node_modules" / "werift").is_dir():
        return "tests/interop has no node_modules: run make setup-test"
    return None


def _without_pion() -> str | None:
    return None if PION.exists() else f"no {PION.name} here: run make setup-test where Go is"


def _without_gstreamer() -> str | None:
    probe = "import gi; gi.require_version('GstWebRTC', '1.0'); gi.require_version('Gst', '1.0'); from gi.repository "
    probe += "import Gst; Gst.init(None); assert all(map(Gst.ElementFactory.find, ('webrtcbin', 'nicesrc', 'opusenc')))"
    if not os.access(SYSTEM_PYTHON, os.X_OK):
        return f"no {SYSTEM_PYTHON} here"
    found = subprocess.run([SYSTEM_PYTHON, "-c", probe], capture_output=True, check=False)
    return None if found.returncode == 0 else "no webrtcbin of GStreamer, or no Python bindings for it, here"


CALLERS = (
    Caller(
        "aiortc",
        (sys.executable, CLIENTS / "aiortc_caller.py"),
        lambda: None,
        restarts_ice=False,
        note="has no ICE restart",
    ),
    Caller(
        "werift",
        ("node", CLIENTS / "werift.mjs"),
        _without_node,
        restarts_ice=False,
        says_goodbye=False,
        note="sends no checks after an ICE restart, no goodbye (consent expires) and no empty messages",
    ),
    Caller(
        "node-datachannel (libdatachannel)",
        ("node", CLIENTS / "node_datachannel.mjs"),
        _without_node,
        restarts_ice=False,
        note="has no ICE restart",
    ),
    Caller("@roamhq/wrtc (libwebrtc)", ("node", CLIENTS / "wrtc.mjs"), _without_node),
    Caller("Pion", (PION,), _without_pion),
    Caller(
        "GStreamer webrtcbin",
        (SYSTEM_PYTHON, CLIENTS / "gstreamer_caller.py"),
        _without_gstreamer,
        restarts_ice=False,
        says_goodbye=False,
        pinned=False,
        note="has no ICE restart; sends no goodbye (consent expires) and no empty messages",
    ),
)
