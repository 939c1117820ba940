"""What a relay engine is, whoever implements it.

An engine owns the sockets, the flow table and the forwarding; the control plane (Python in any case) tells it keys,
transceivers and flows, and reads its counters. Nothing here is called per packet.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from relay.engine.limits import AdmissionLimits
from wire.address import Address
from wire.drop import DropReason
from wire.ufrag import KeyRing


class FlowKey(NamedTuple):
    """A client's five-tuple: UDP between `client` and the public address `proxy`."""

    client: Address
    proxy: Address


class Listener(NamedTuple):
    """A public socket.

    Attributes:
        bind: where the socket is bound.
        public: the same as clients reach it: what an SPP header calls the proxy address. All relays behind one load
            balancer name the same, so that a flow learnt by one is found by another.
    """

    bind: Address
    public: Address


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Bounds and identity of an engine.

    Attributes:
        cluster_id: ufrags of other clusters are refused.
        listeners: the public sockets, bound with SO_REUSEPORT.
        upstream: where datagrams to transceivers come from and theirs are taken; port 0 picks one.
        max_flows: flows held at once; a new one beyond that is refused, never an old one evicted.
        unsynced_flow_idle_s: how long a flow that no transceiver vouches for lives without an authentic packet.
        threads: of an engine that has threads; 0 is one per core that this process may use.
        gather_us: how long a busy thread of such an engine may hold a packet, so that packets gather; 0 is never.
        gather_above: from how many packets per second a thread is busy, both directions together.
        limits: what strangers may cost.
    """

    cluster_id: int
    listeners: Sequence[Listener]
    upstream: Address
    max_flows: int = 100_000
    unsynced_flow_idle_s: float = 30.0
    threads: int = 0
    gather_us: int = 500
    gather_above: int = 20_000
    limits: AdmissionLimits = field(default_factory=AdmissionLimits)


@dataclass(slots=True)
class EngineCounters:
    """Totals since the engine was opened. Bytes are UDP payload without the envelope, on both sides.

    Attributes:
        checks_verified: STUN checks with good integrity, forwarded or not.
        synced_flows_refused: flows that a transceiver vouched for and that found no room.
        drops: datagrams discarded. What was received and neither dropped nor forwarded does not exist.
    """

    client_datagrams_received: int = 0
    client_bytes_received: int = 0
    client_datagrams_sent: int = 0
    client_bytes_sent: int = 0
    transceiver_datagrams_received: int = 0
    transceiver_bytes_received: int = 0
    transceiver_datagrams_sent: int = 0
    transceiver_bytes_sent: int = 0
    checks_verified: int = 0
    synced_flows_refused: int = 0
    drops: Counter[DropReason] = field(default_factory=Counter)


class Budgets(NamedTuple):
    """What is left of each budget of AdmissionLimits, 0 to 1; of the thread that has least left."""

    unproven_checks: float
    proven_checks: float
    new_flows: float


class Engine(Protocol):
    """See the module's docstring. No method raises for what a client or transceiver has sent, or waits for one.

    A datagram keeps its DSCP on the way through, in both directions. Its ECN bits are not kept: they belong to one path
    between hosts that have agreed to react to them (RFC 6679), and the relay is the end of two; like a tunnel in
    compatibility mode (RFC 6040 section 4.1) it sends Not-ECT, so that congested routers drop instead of marking.

    A datagram sent after a method has returned is handled as that method said, unless it was about very many flows:
    then some milliseconds may pass.
    """

    @property
    def upstream_addresses(self) -> Sequence[Address]:
        """Where this relay's datagrams to transceivers come from; known from the start."""

    @property
    def listening(self) -> Sequence[Address]:
        """The public sockets as bound; empty until `listen`."""

    async def listen(self) -> None:
        """Binds the public sockets and begins to forward.

        Raises:
            OSError: an address cannot be bound.
        """

    def set_keys(self, keys: KeyRing) -> None:
        """Replaces the routing keys. Until the first call every check is refused."""

    def set_transceiver(self, transceiver_id: int, media_address: Address) -> None:
        """Adds a transceiver, or says that it has moved."""

    def remove_transceiver(self, transceiver_id: int) -> None:
        """Forgets a transceiver and its flows."""

    def upsert_flows(self, transceiver_id: int, flows: Collection[FlowKey]) -> None:
        """The transceiver vouches for these: they are forwarded at once and live until it takes them back."""

    def remove_flows(self, transceiver_id: int, flows: Collection[FlowKey]) -> None:
        """The transceiver takes these back. Those that belong to another one by now stay."""

    def replace_flows(self, transceiver_id: int, flows: Collection[FlowKey]) -> None:
        """The transceiver vouches for exactly these."""

    def release_flows(self, transceiver_id: int) -> None:
        """Nobody vouches for this transceiver's flows any more; they live on while authentic packets come."""

    def flow_count(self) -> int:
        """Flows held now."""

    def counters(self) -> EngineCounters:
        """A snapshot of the totals."""

    def budgets(self) -> Budgets:
        """What is left for strangers now."""

    def failure(self) -> str | None:
        """What of this engine has stopped working for good, in one line; None while all of it works."""

    def hand_over(self) -> None:
        """Takes no new datagram from clients: the kernel gives them to the other sockets that share the address.

        What is queued already is still forwarded, and so is what transceivers send; `close` later loses nothing. Where
        nobody shares the address, clients are refused from now on.
        """

    async def close(self) -> None:
        """Stops forwarding and closes every socket. What is queued in them is lost; see `hand_over`."""
