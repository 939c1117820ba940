"""Trickle ICE by WHIP's PATCH (RFC 9725 section 4.3.2, RFC 8840), while the call connects and after."""

from pathlib import Path

import pytest

from tests.support.live_caller import LiveCaller
from tests.support.whole_transceiver import reachable_transceiver

FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}
HOST = "a=candidate:1 1 UDP 2130706431 192.0.2.7 40000 typ host"
MDNS = "a=candidate:2 1 UDP 2122252543 0f0f0f0f-4b9c-4a4e-9d7a-1b2c3d4e5f60.local 40001 typ host"
TCP = "a=candidate:3 1 TCP 1518280447 192.0.2.7 9 typ host tcptype active"
END = "a=end-of-candidates"


def fragment(caller: LiveCaller, *lines: str, ends: str = "\r\n") -> str:
    """As RFC 9725 section 4.3.2 shows it: group, credentials, a pseudo m= line, its mid, candidates."""
    ice = caller.client.ice
    head = ["a=group:BUNDLE 0", "m=audio 9 UDP/TLS/RTP/SAVPF 0", "a=mid:0"]
    return ends.join([*head, f"a=ice-ufrag:{ice.ufrag}", f"a=ice-pwd:{ice.pwd}", *lines, ""])


async def trickle(caller: LiveCaller, body: str, etag: str) -> int:
    status, text, _ = await caller.request("PATCH", caller.location, headers={**FRAGMENT, "If-Match": etag}, body=body)
    assert not text or status >= 400
    return status


async def connects_and_is_heard(caller: LiveCaller) -> None:
    await caller.until(lambda: caller.client.connected_at is not None, "DTLS is up")
    caller.speak()
    await caller.until(lambda: len(caller.heard) >= 5, "echoes")


async def whip(caller: LiveCaller) -> str:
    """Places a call; returns the ETag of its ICE session."""
    await caller.place(path="/whip?model=loopback")
    return '"1"'


async def test_candidates_one_by_one_then_their_end_while_the_call_connects(tmp_path: Path) -> None:
    async with reachable_transceiver(tmp_path) as made, LiveCaller(made) as caller:
        etag = await whip(caller)
        for line in (HOST, MDNS, TCP, END):
            assert await trickle(caller, fragment(caller, line), etag) == 204
        await connects_and_is_heard(caller)


async def test_the_end_of_candidates_alone_and_after_the_call_is_up(tmp_path: Path) -> None:
    async with reachable_transceiver(tmp_path) as made, LiveCaller(made) as caller:
        etag = await whip(caller)
        await connects_and_is_heard(caller)
        heard = len(caller.heard)
        assert await trickle(caller, fragment(caller, HOST, END, ends="\n"), etag) == 204
        await caller.until(lambda: len(caller.heard) > heard + 5, "the call goes on")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 400),
        (f"{HOST}\r\n{END}\r\n", 400),
        ("a=ice-ufrag:\r\na=ice-pwd:\r\n", 400),
        ("\x00\xff not SDP", 400),
        ("a=ice-ufrag:abcd\r\na=ice-pwd:" + "p" * 24 + "\r\n" + f"{HOST}\r\n" * 2000, 413),
    ],
    ids=["empty", "without credentials", "empty credentials", "no fragment", "far too many"],
)
async def test_what_is_no_fragment_is_refused_and_harms_nothing(tmp_path: Path, body: str, status: int) -> None:
    async with reachable_transceiver(tmp_path) as made, LiveCaller(made) as caller:
        etag = await whip(caller)
        assert await trickle(caller, body, etag) == status
        await connects_and_is_heard(caller)
