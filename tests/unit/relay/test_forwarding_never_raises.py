"""Whatever bytes arrive on either side: a decision, never an exception, and without a proof never a datagram."""

from hypothesis import given
from hypothesis import strategies as st

from relay.engine.admission import Admission
from relay.engine.flow_table import FlowTable
from relay.engine.forwarding import Downstream, Forwarding, Upstream
from relay.engine.interface import FlowKey
from relay.engine.limits import AdmissionLimits
from relay.engine.source import SourcePrefix
from tests.support.relay_scene import CLUSTER, binding_request, route_key
from wire.address import Address
from wire.drop import DropReason
from wire.spp import encode_header
from wire.ufrag import KeyRing, RouteToken

ALICE_ADDRESS = Address("192.0.2.1", 4000)
CLIENT = FlowKey(Address("198.51.100.9", 5000), Address("203.0.113.1", 3478))
KEYS = KeyRing(route_key("A"))
ADMISSION = Admission(AdmissionLimits(), SourcePrefix(32, 56))

STUN_LIKE = st.builds(
    lambda kind, body: bytes([0, kind]) + len(body).to_bytes(2, "big") + b"\x21\x12\xa4\x42" + bytes(12) + body,
    st.sampled_from([0x01, 0x11]),
    st.binary(max_size=120),
)


def forwarding() -> tuple[Forwarding, FlowTable]:
    flows = FlowTable(max_flows=10, idle_s=30)
    decides = Forwarding(CLUSTER, flows, ADMISSION)
    decides.set_keys(KEYS)
    decides.set_transceiver(1, ALICE_ADDRESS)
    return decides, flows


@given(st.binary(max_size=2100) | STUN_LIKE)
def test_a_stranger_is_always_dropped(datagram: bytes) -> None:
    decides, flows = forwarding()
    assert isinstance(decides.from_client(datagram, CLIENT, 0.0), DropReason)
    assert len(flows) == 0


@given(st.binary(max_size=2100) | STUN_LIKE)
def test_a_proven_client_is_forwarded_byte_for_byte_or_dropped(datagram: bytes) -> None:
    decides, flows = forwarding()
    flows.upsert_synced(1, [CLIENT], 0.0)
    decision = decides.from_client(datagram, CLIENT, 0.0)
    expected = Upstream(encode_header(CLIENT.client, CLIENT.proxy) + datagram, ALICE_ADDRESS)
    assert isinstance(decision, DropReason) or decision == expected


@given(st.binary(max_size=2100) | st.binary(max_size=60).map(lambda tail: b"\x56\xec" + tail))
def test_a_transceiver_reaches_no_five_tuple_without_a_flow(datagram: bytes) -> None:
    decides, _ = forwarding()
    assert isinstance(decides.from_transceiver(datagram, ALICE_ADDRESS, 0.0), DropReason)


@given(st.binary(min_size=1, max_size=2048))
def test_the_way_back_is_byte_for_byte(datagram: bytes) -> None:
    decides, flows = forwarding()
    flows.upsert_synced(1, [CLIENT], 0.0)
    envelope = encode_header(CLIENT.client, CLIENT.proxy) + datagram
    assert decides.from_transceiver(envelope, ALICE_ADDRESS, 0.0) == Downstream(datagram, CLIENT.client, CLIENT.proxy)


def test_without_keys_no_check_passes() -> None:
    decides = Forwarding(CLUSTER, FlowTable(max_flows=10, idle_s=30), ADMISSION)
    decides.set_transceiver(1, ALICE_ADDRESS)
    ufrag = KEYS.mint_ufrag(RouteToken(CLUSTER, 1, 0))
    check = binding_request(f"{ufrag}:theirs", KEYS.ice_pwd(ufrag))
    assert decides.from_client(check, CLIENT, 0.0) is DropReason.UNKNOWN_KEY


def test_an_address_that_two_transceivers_have_had_belongs_to_the_later() -> None:
    decides, flows = forwarding()
    decides.set_transceiver(2, ALICE_ADDRESS)  # a process that was started again under another id
    flows.upsert_synced(2, [CLIENT], 0.0)
    decides.remove_transceiver(1)
    envelope = encode_header(CLIENT.client, CLIENT.proxy) + b"x"
    assert isinstance(decides.from_transceiver(envelope, ALICE_ADDRESS, 0.0), Downstream)
