"""What happens to one datagram: the readable reference of the relay's data path. Sans-IO.

Order of look-ups. A STUN request is decoded and verified every time and beats the flow table, because a NAT may hand a
client's port to another client. Everything else carries no route of its own and needs a flow.

    client ─▶ STUN request? ─ yes ─▶ ufrag ─▶ transceiver ─▶ admission ─▶ integrity ─▶ (re)bind flow ─┐
                   └── no ─▶ flow? ───────────────────────────────────────────────────────────────────┴▶ SPP ─▶ owner
    transceiver ─▶ SPP ─▶ subscribed to? ─▶ its own flow? ─▶ datagram ─▶ client
"""

from typing import NamedTuple

from relay.engine.admission import Admission
from relay.engine.flow_table import FlowTable
from relay.engine.interface import FlowKey
from wire.address import Address
from wire.demux import Kind, classify
from wire.drop import DropReason
from wire.spp import HEADER_BYTES, SppHeader, decode_header, encode_header
from wire.stun import BindingRequest, StunClass, message_class, parse_binding_request, verify_integrity
from wire.ufrag import KeyRing, RouteToken

MAX_DATAGRAM_BYTES = 2048
"""More than any Ethernet MTU; a WebRTC client sends at most about 1,500."""


class Upstream(NamedTuple):
    """Send `datagram` to a transceiver."""

    datagram: bytes
    transceiver: Address


class Downstream(NamedTuple):
    """Send `datagram` to a client, from the public socket of `proxy`."""

    datagram: bytes
    client: Address
    proxy: Address


class Forwarding:
    """Decides for each datagram. `now` is monotonic seconds.

    Args:
        cluster_id: whose ufrags are routed here.
        flows: shared with whoever maintains it.
        admission: what strangers may cost.
    """

    def __init__(self, cluster_id: int, flows: FlowTable, admission: Admission) -> None:
        self._cluster_id = cluster_id
        self._flows = flows
        self._admission = admission
        self._keys: KeyRing | None = None
        self._transceivers: dict[int, Address] = {}
        self._by_address: dict[Address, int] = {}
        self.checks_verified = 0

    def set_keys(self, keys: KeyRing) -> None:
        """Replaces the routing keys."""
        self._keys = keys

    def set_transceiver(self, transceiver_id: int, media_address: Address) -> None:
        """Adds or moves a transceiver."""
        self.remove_transceiver(transceiver_id)
        self._transceivers[transceiver_id] = media_address
        self._by_address[media_address] = transceiver_id

    def remove_transceiver(self, transceiver_id: int) -> None:
        """Forgets a transceiver."""
        address = self._transceivers.pop(transceiver_id, None)
        if address is not None and self._by_address.get(address) == transceiver_id:
            del self._by_address[address]

    def from_client(self, datagram: bytes, key: FlowKey, now: float) -> Upstream | DropReason:
        """A datagram from the public side."""
        if not datagram:
            return DropReason.EMPTY_DATAGRAM
        if len(datagram) > MAX_DATAGRAM_BYTES:
            return DropReason.OVERSIZED_DATAGRAM
        match classify(datagram):
            case Kind.STUN:
                owner = self._route_stun(datagram, key, now)
            case Kind.DTLS | Kind.SRTP | Kind.SRTCP:
                owner = self._route_by_flow(key)
            case Kind.UNKNOWN:
                return DropReason.UNKNOWN_KIND
            case _:
                return DropReason.UNSUPPORTED_KIND
        if isinstance(owner, DropReason):
            return owner
        return Upstream(encode_header(key.client, key.proxy) + datagram, self._transceivers[owner])

    def _route_by_flow(self, key: FlowKey) -> int | DropReason:
        owner = self._flows.owner(key)
        if owner is None:
            return DropReason.UNKNOWN_FLOW
        if owner not in self._transceivers:
            return DropReason.UNKNOWN_TRANSCEIVER
        return owner

    def _route_stun(self, datagram: bytes, key: FlowKey, now: float) -> int | DropReason:
        stun_class = message_class(datagram)
        if stun_class is None:
            return DropReason.MALFORMED_STUN
        if stun_class is not StunClass.REQUEST:
            return self._route_by_flow(key)
        request = parse_binding_request(datagram)
        if isinstance(request, DropReason):
            return request
        token = self._route_token(request)
        if isinstance(token, DropReason):
            return token
        refused = self._verify(datagram, request, key, token, now) or self._bind(key, token, now)
        return refused or token.transceiver_id

    def _route_token(self, request: BindingRequest) -> RouteToken | DropReason:
        if self._keys is None:
            return DropReason.UNKNOWN_KEY
        token = self._keys.decode_ufrag(request.local_ufrag)
        if isinstance(token, DropReason):
            return token
        if token.cluster_id != self._cluster_id:
            return DropReason.OTHER_CLUSTER
        if token.transceiver_id not in self._transceivers:
            return DropReason.UNKNOWN_TRANSCEIVER
        return token

    def _verify(
        self, datagram: bytes, request: BindingRequest, key: FlowKey, token: RouteToken, now: float
    ) -> DropReason | None:
        proven = self._flows.owner(key) == token.transceiver_id
        refused = self._admission.refuse_check(key, now, proven=proven)
        if refused is not None:
            return refused
        if self._has_integrity(datagram, request):
            self.checks_verified += 1
            return None
        self._admission.check_failed(key, now, proven=proven)
        return DropReason.BAD_INTEGRITY

    def _has_integrity(self, datagram: bytes, request: BindingRequest) -> bool:
        if self._keys is None:
            return False
        password = self._keys.ice_pwd(request.local_ufrag.decode("ascii")).encode("ascii")
        return verify_integrity(datagram, request.integrity_offset, password)

    def _bind(self, key: FlowKey, token: RouteToken, now: float) -> DropReason | None:
        if self._flows.owner(key) is None:
            refused = self._flows.refuse(key) or self._admission.refuse_flow(now)
            if refused is not None:
                return refused
        self._flows.prove(key, token.transceiver_id, now)
        return None

    def from_transceiver(self, datagram: bytes, source: Address, now: float) -> Downstream | DropReason:
        """A datagram from the upstream side: sent on only towards a client that has a flow to its very sender."""
        transceiver_id = self._by_address.get(source)
        if transceiver_id is None:
            return DropReason.UNKNOWN_RETURN_SOURCE
        header = decode_header(datagram)
        if not isinstance(header, SppHeader):
            return header
        if len(datagram) == HEADER_BYTES:
            return DropReason.EMPTY_DATAGRAM
        if len(datagram) > HEADER_BYTES + MAX_DATAGRAM_BYTES:
            return DropReason.OVERSIZED_DATAGRAM
        if not self._flows.touch(FlowKey(header.client, header.proxy), transceiver_id, now):
            return DropReason.UNKNOWN_RETURN_FLOW
        return Downstream(datagram[HEADER_BYTES:], header.client, header.proxy)
