"""The Python face of the SCTP association: typed errors for misuse, nothing for a peer's bytes.

The protocol's behaviour is tested in datapath/tests; here is what crosses into Python.
"""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

datapath = pytest.importorskip("offhook_datapath", reason="the native module is not built here")

Association = Any  # offhook_datapath.SctpAssociation, whose module may be missing where this file is collected


def _association(*, client: bool) -> Association:
    return datapath.SctpAssociation(client=client, max_message_bytes=65_536, max_buffered_bytes=262_144, now=5.0)


def _connected_pair() -> tuple[Association, Association]:
    client, server = _association(client=True), _association(client=False)
    while (client.state, server.state) != ("connected", "connected"):
        for source, target in ((client, server), (server, client)):
            for datagram in source.take_datagrams():
                assert target.receive(datagram, 5.0)
    return client, server


def test_a_message_crosses_with_its_ppid() -> None:
    client, server = _connected_pair()
    client.open_stream(7)
    client.send(7, 51, b"hello", max_retransmits=3)
    for datagram in client.take_datagrams():
        server.receive(datagram, 5.1)
    assert server.take_messages() == [(7, 51, b"hello")]
    assert server.take_messages() == []


def test_timers_are_on_the_callers_clock() -> None:
    client = _association(client=True)
    first = client.take_datagrams()
    assert client.timeout() == pytest.approx(5.5, abs=0.01)
    client.handle_timeout(5.6)
    assert client.take_datagrams() == first
    assert client.timeout() > 6


@given(st.binary(max_size=3000))
def test_no_bytes_raise_or_close(datagram: bytes) -> None:
    _, server = _connected_pair()
    assert server.receive(datagram, 6.0) is False
    assert server.state == "connected"


def test_misuse_raises_what_the_stub_says() -> None:
    client, _ = _connected_pair()
    client.open_stream(0)
    with pytest.raises(datapath.SctpError, match="in use"):
        client.open_stream(0)
    with pytest.raises(datapath.SctpError, match="not open"):
        client.send(1, 51, b"x")
    with pytest.raises(ValueError, match="at least one byte"):
        client.send(0, 51, b"")
    with pytest.raises(ValueError, match="not used by WebRTC"):
        client.send(0, 52, b"x")
    with pytest.raises(ValueError, match="exclude each other"):
        client.send(0, 51, b"x", max_retransmits=1, lifetime_ms=1)
    with pytest.raises(ValueError, match="finite"):
        client.receive(b"", math.nan)
    for _ in range(4):
        client.send(0, 53, bytes(65_536))
    with pytest.raises(datapath.BufferFull):
        client.send(0, 53, b"one more")
    assert client.state == "connected"


def test_limits_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="max_message_bytes"):
        datapath.SctpAssociation(client=False, max_message_bytes=5000, max_buffered_bytes=4000, now=0.0)
