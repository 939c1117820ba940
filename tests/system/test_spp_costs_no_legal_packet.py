"""What a client may send on an Ethernet arrives, although SPP makes it longer than the next link takes in one piece.

In a network namespace of its own, whose loopback interface has that link's MTU.
"""

import json
import shutil
import subprocess
import sys

import pytest

from tests.support.mtu_scene import CLIENTS, ROUNDS
from tests.support.relay_scene import ENGINES

# 28 bytes of IPv4 and UDP, 38 of SPP; two fragments per datagram and direction. What is too long for the clients' link,
# too, comes in fragments already and leaves so.
WHOLE, SPLIT = 0, 2 * 2 * ROUNDS * CLIENTS
SPLIT_EVERYWHERE = 2 * SPLIT
NAMESPACE = ("unshare", "--map-root-user", "--net")


def in_namespace(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*NAMESPACE, "sh", "-c", script, "sh", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture(scope="module", autouse=True)
def _needs_namespaces() -> None:
    if shutil.which("unshare") is None or shutil.which("ip") is None or in_namespace("ip link set lo up").returncode:
        pytest.skip("no network namespaces for this user here")


@pytest.mark.parametrize("engine", sorted(ENGINES))
@pytest.mark.parametrize(
    ("mtu", "payload_bytes", "fragments"),
    [
        (1500, 1434, WHOLE),
        (1500, 1435, SPLIT),
        (1500, 1472, SPLIT),
        (1500, 1473, SPLIT_EVERYWHERE),
        (1538, 1472, WHOLE),
    ],
)
def test_every_ethernet_payload_goes_there_and_back(engine: str, mtu: int, payload_bytes: int, fragments: int) -> None:
    ended = in_namespace(
        'ip link set lo up mtu "$1"; shift; exec "$@"',
        *(str(mtu), sys.executable, "-m", "tests.support.mtu_scene", engine, str(payload_bytes)),
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == {
        "there_and_back": ROUNDS * CLIENTS,
        "fragments": fragments,
        "dropped": 0,
    }
