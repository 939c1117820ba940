"""Every vector of `proto/vectors/` holds in the Python implementation. The native engine runs the same files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from wire import demux, spp, stun
from wire.address import format_address, parse_address
from wire.drop import DropReason
from wire.ufrag import KeyRing, RouteKey, RouteToken

Case: TypeAlias = dict[str, Any]

VECTORS = Path(__file__).parents[3] / "proto" / "vectors"


def load(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((VECTORS / name).read_text())
    return document


def cases(name: str, section: str) -> pytest.MarkDecorator:
    """Parametrise a test over one section, with the cases' own names."""
    return pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in load(name)[section]])


def read_hex(text: str | list[str]) -> bytes:
    """Bytes written as hex, spaces anywhere; in a list of lines, a comment may follow a semicolon."""
    lines = [text] if isinstance(text, str) else text
    return b"".join(bytes.fromhex(line.partition(";")[0]) for line in lines)


KEYS = {key["id"]: RouteKey(key["id"], bytes.fromhex(key["secret"])) for key in load("ufrag.json")["keys"]}


def ring_of(ids: list[str]) -> KeyRing:
    """The first id mints, all are accepted."""
    return KeyRing(KEYS[ids[0]], [KEYS[key_id] for key_id in ids[1:]])


def expected_route(case: Case) -> RouteToken | DropReason:
    return DropReason(case["drop"]) if "drop" in case else RouteToken(**case["token"])


def test_drop_reasons_are_these_in_this_order() -> None:
    assert list(DropReason) == load("drop_reasons.json")["drop_reasons"]


@cases("demux.json", "cases")
def test_demux(case: Case) -> None:
    assert demux.classify(read_hex(case["datagram"])) == demux.Kind(case["kind"])


@cases("stun.json", "cases")
def test_stun_class(case: Case) -> None:
    message_class = stun.message_class(read_hex(case["datagram"]))
    assert (message_class.name.lower() if message_class else None) == case["class"]


@cases("stun.json", "cases")
def test_stun_binding_request(case: Case) -> None:
    parsed = stun.parse_binding_request(read_hex(case["datagram"]))
    if "drop" in case:
        assert parsed == DropReason(case["drop"])
        return
    request = case["request"]
    assert parsed == stun.BindingRequest(
        bytes.fromhex(request["transaction_id"]),
        request["local_ufrag"].encode(),
        request["remote_ufrag"].encode(),
        request["integrity_offset"],
    )


@cases("stun.json", "cases")
def test_stun_integrity(case: Case) -> None:
    datagram = read_hex(case["datagram"])
    for check in case.get("integrity", ()):
        assert stun.verify_integrity(datagram, check["offset"], check["password"].encode()) is check["valid"]


@cases("ufrag.json", "mint")
def test_ufrag_mint(case: Case) -> None:
    ring, token = ring_of([case["key"]]), RouteToken(**case["token"])
    assert ring.mint_ufrag(token) == case["ufrag"]
    assert ring.mint_call_id(token) == case["call_id"]
    assert ring.ice_pwd(case["ufrag"]) == case["ice_pwd"]
    assert ring.decode_ufrag(case["ufrag"].encode()) == token
    assert ring.decode_call_id(case["call_id"]) == token


@cases("ufrag.json", "decode_ufrag")
def test_ufrag_decode(case: Case) -> None:
    assert ring_of(case["ring"]).decode_ufrag(case["ufrag"].encode("latin-1")) == expected_route(case)


@cases("ufrag.json", "decode_call_id")
def test_call_id_decode(case: Case) -> None:
    assert ring_of(case["ring"]).decode_call_id(case["call_id"]) == expected_route(case)


@cases("spp.json", "round_trip")
def test_spp_round_trip(case: Case) -> None:
    datagram, payload = read_hex(case["datagram"]), read_hex(case["payload"])
    client, proxy = parse_address(case["client"]), parse_address(case["proxy"])
    assert spp.decode_header(datagram) == spp.SppHeader(client, proxy)
    assert datagram[spp.HEADER_BYTES :] == payload
    assert spp.encode_header(client, proxy) + payload == datagram
    # The vector's text is the canonical one.
    assert (format_address(client), format_address(proxy)) == (case["client"], case["proxy"])


@cases("spp.json", "encode_only")
def test_spp_encode(case: Case) -> None:
    same = next(other for other in load("spp.json")["round_trip"] if other["name"] == case["same_as"])
    header = spp.encode_header(parse_address(case["client"]), parse_address(case["proxy"]))
    assert header == read_hex(same["datagram"])[: spp.HEADER_BYTES]


@cases("spp.json", "decode_only")
def test_spp_decode(case: Case) -> None:
    assert spp.decode_header(read_hex(case["datagram"])) == DropReason(case["drop"])
