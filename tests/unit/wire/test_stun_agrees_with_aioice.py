"""What aioice writes and signs, `wire.stun` reads and verifies; what one refuses, so does the other."""

from __future__ import annotations

import aioice.stun
from hypothesis import given, settings
from hypothesis import strategies as st

from wire import stun
from wire.drop import DropReason

PROPERTY = settings(deadline=None, derandomize=True)

ICE_CHARS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
UFRAGS = st.text(ICE_CHARS, min_size=4, max_size=256)
PASSWORDS = st.text(ICE_CHARS, min_size=22, max_size=256).map(str.encode)


def signed_check(local: str, remote: str, password: bytes, software: str = "") -> bytes:
    message = aioice.stun.Message(message_method=aioice.stun.Method.BINDING, message_class=aioice.stun.Class.REQUEST)
    message.attributes["USERNAME"] = f"{local}:{remote}"
    message.attributes["SOFTWARE"] = software
    message.attributes["USE-CANDIDATE"] = None
    message.add_message_integrity(password)
    return bytes(message)


@PROPERTY
@given(UFRAGS, UFRAGS, PASSWORDS, PASSWORDS)
def test_a_check_signed_by_aioice_verifies_here(local: str, remote: str, password: bytes, other: bytes) -> None:
    datagram = signed_check(local, remote, password)
    request = stun.parse_binding_request(datagram)
    assert isinstance(request, stun.BindingRequest)
    assert (request.local_ufrag, request.remote_ufrag) == (local.encode(), remote.encode())
    assert stun.verify_integrity(datagram, request.integrity_offset, password)
    assert stun.verify_integrity(datagram, request.integrity_offset, other) is (other == password)


@PROPERTY
@given(st.integers(0, 20 * 8 - 1))
def test_both_refuse_a_changed_signature(bit: int) -> None:
    datagram = bytearray(signed_check("local", "remote", b"password"))
    del datagram[-8:]  # FINGERPRINT, which would be refused first
    datagram[2:4] = (len(datagram) - 20).to_bytes(2, "big")
    datagram[-20 + bit // 8] ^= 1 << bit % 8
    request = stun.parse_binding_request(bytes(datagram))
    assert isinstance(request, stun.BindingRequest)
    assert not stun.verify_integrity(bytes(datagram), request.integrity_offset, b"password")
    assert not aioice.stun.parse_message(bytes(datagram)).check_message_integrity(b"password")


@PROPERTY
@given(st.sampled_from(list(aioice.stun.Class)), st.sampled_from(list(aioice.stun.Method)))
def test_classes_and_methods_read_the_same(
    message_class: aioice.stun.Class, message_method: aioice.stun.Method
) -> None:
    datagram = bytes(aioice.stun.Message(message_method=message_method, message_class=message_class))
    read = stun.message_class(datagram)
    assert read is not None
    assert read.value == message_class.value
    binding_request = (message_class, message_method) == (aioice.stun.Class.REQUEST, aioice.stun.Method.BINDING)
    assert stun.parse_binding_request(datagram) is (
        DropReason.MISSING_USERNAME if binding_request else DropReason.UNEXPECTED_STUN_METHOD
    )


def test_a_check_as_large_as_the_mtu_is_read() -> None:
    datagram = signed_check("local", "remote", b"password", software="x" * 1396)
    assert len(datagram) == 1472  # an Ethernet frame's IPv4 payload, less the UDP header
    request = stun.parse_binding_request(datagram)
    assert isinstance(request, stun.BindingRequest)
    assert stun.verify_integrity(datagram, request.integrity_offset, b"password")
