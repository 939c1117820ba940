"""The `python` media port without its socket: sans-IO, so that scenarios can run it over a virtual network."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from ipaddress import ip_address

from transceiver.media_port.interface import AudioLane, MediaPort, MediaSink, Network, Path, PortCounters, SrtpKeys
from transceiver.media_port.lane import Lane
from transceiver.media_port.rtp_schedule import RtpSchedule
from transceiver.media_port.srtp import SrtpSession
from transceiver.session.actions import AudioReceived
from transceiver.session.rtp import RtpPacket, parse_rtp
from wire.address import Address
from wire.demux import Kind, classify
from wire.drop import DropReason
from wire.spp import HEADER_BYTES, SppHeader, decode_header, encode_header

MAX_DATAGRAM_BYTES = HEADER_BYTES + 2048
"""Longer than anything that Ethernet carries; libsrtp and OpenSSL have their own, smaller bounds."""
MAX_REMEMBERED_SENDERS = 1024


@dataclass(slots=True)
class _Binding:
    """A path that belongs to a session, and the relay through which it was last authentic."""

    path: Path
    header: bytes
    session_id: int
    relay: Address


class PythonMediaPort(MediaPort):
    """See `MediaPort`.

    Args:
        address: what `address` says: where the socket is bound.
        sendto: takes one datagram for a relay. What the network then refuses is told to `refused`.
        arm: called with the time when `release` is to be called next, whenever that has moved closer.
    """

    def __init__(
        self,
        address: Address,
        sendto: Callable[[bytes, Address], None],
        arm: Callable[[float], None] = lambda when: None,
    ) -> None:
        self._counters = PortCounters()
        self._address = address
        self._sendto = sendto
        self._sink: MediaSink | None = None
        self._relays: frozenset[Address] = frozenset()
        self._networks: tuple[Network, ...] = ()
        self._known_senders: dict[Address, bool] = {}
        # By the envelope's bytes after the magic, which is what a datagram brings along, and by path.
        self._by_header: dict[bytes, _Binding] = {}
        self._by_path: dict[Path, _Binding] = {}
        self._srtp: dict[int, SrtpSession] = {}
        self._lanes: dict[int, Lane] = {}
        self._paths_of: dict[int, set[Path]] = {}
        self._schedule = RtpSchedule()
        self._arm = arm

    @property
    def counters(self) -> PortCounters:
        """Totals since the port was opened."""
        return self._counters

    @property
    def address(self) -> Address:
        """Where the socket is bound."""
        return self._address

    def deliver_to(self, sink: MediaSink) -> None:
        """Names the sink."""
        self._sink = sink

    def accept_relays(self, addresses: Collection[Address], networks: Collection[Network] = ()) -> None:
        """Replaces the set of senders that are heard."""
        self._relays = frozenset(addresses)
        self._networks = tuple(networks)
        self._known_senders.clear()

    def bind(self, path: Path, session_id: int, relay: Address) -> None:
        """Ties a path to its session and relay."""
        binding = self._by_path.get(path)
        if binding is not None and binding.session_id == session_id:
            binding.relay = relay
            return
        self.unbind(path)
        header = encode_header(path.client, path.proxy)
        binding = _Binding(path, header, session_id, relay)
        self._by_path[path] = self._by_header[header[2:]] = binding
        self._paths_of.setdefault(session_id, set()).add(path)

    def unbind(self, path: Path) -> None:
        """Forgets a path."""
        binding = self._by_path.pop(path, None)
        if binding is not None:
            del self._by_header[binding.header[2:]]
            self._paths_of[binding.session_id].discard(path)

    def start_srtp(self, session_id: int, keys: SrtpKeys) -> None:
        """Gives a session its keys."""
        self._srtp[session_id] = SrtpSession(keys)

    def lane(self, session_id: int) -> AudioLane:
        """Gives a session its lane."""
        lane = self._lanes[session_id] = Lane()
        return lane

    def stop(self, session_id: int) -> None:
        """Forgets a session's keys, lane and paths, and what waits to be sent."""
        self._schedule.forget(session_id)
        for path in tuple(self._paths_of.get(session_id, ())):
            self.unbind(path)
        self._paths_of.pop(session_id, None)
        self._srtp.pop(session_id, None)
        self._lanes.pop(session_id, None)

    def close(self) -> None:
        """Nothing to close here."""

    # From the relays

    def receive(self, datagram: bytes, sender: Address, now: float) -> None:
        """Takes one datagram off the socket."""
        counters = self._counters
        counters.datagrams_received += 1
        if sender not in self._relays and not self._is_in_networks(sender):
            self._drop(DropReason.UNKNOWN_RELAY)
            return
        if len(datagram) <= HEADER_BYTES:
            self._drop(DropReason.EMPTY_DATAGRAM if len(datagram) == HEADER_BYTES else DropReason.MALFORMED_SPP)
            return
        if len(datagram) > MAX_DATAGRAM_BYTES:
            self._drop(DropReason.OVERSIZED_DATAGRAM)
            return
        counters.bytes_received += len(datagram) - HEADER_BYTES
        drop = self._dispatch(datagram, sender, now)
        if drop is not None:
            self._drop(drop)

    def _dispatch(self, datagram: bytes, relay: Address, now: float) -> DropReason | None:
        sink = self._sink
        if sink is None:
            return DropReason.SESSION_CLOSED
        inner = datagram[HEADER_BYTES:]
        kind = classify(inner)
        if kind is Kind.STUN:
            header = decode_header(datagram)
            if not isinstance(header, SppHeader):
                return header
            sink.stun_received(Path(*header), inner, relay, now)
            return None
        if kind not in (Kind.SRTP, Kind.SRTCP, Kind.DTLS):
            return DropReason.UNKNOWN_KIND if kind is Kind.UNKNOWN else DropReason.UNSUPPORTED_KIND
        binding = self._by_header.get(datagram[2:HEADER_BYTES])
        if binding is None or datagram[:2] != binding.header[:2]:
            header = decode_header(datagram)
            return DropReason.UNVALIDATED_FIVE_TUPLE if isinstance(header, SppHeader) else header
        if kind is Kind.DTLS:
            sink.dtls_received(binding.session_id, binding.path, inner, now)
            return None
        return self._media(sink, binding, kind, inner, relay, now)

    def _media(
        self, sink: MediaSink, binding: _Binding, kind: Kind, packet: bytes, relay: Address, now: float
    ) -> DropReason | None:
        srtp = self._srtp.get(binding.session_id)
        if srtp is None:
            return DropReason.SRTP_NOT_READY
        opened = srtp.unprotect(packet) if kind is Kind.SRTP else srtp.unprotect_rtcp(packet)
        if isinstance(opened, DropReason):
            return opened
        binding.relay = relay
        if kind is Kind.SRTCP:
            sink.rtcp_received(binding.session_id, binding.path, opened, now)
            return None
        parsed = parse_rtp(opened)
        if isinstance(parsed, DropReason):
            return parsed
        frame = self._pass_on(binding, parsed, now)
        if frame is not None:
            sink.audio_received(binding.session_id, frame, now)
        else:
            sink.rtp_received(binding.session_id, binding.path, parsed, now)
        return None

    def _pass_on(self, binding: _Binding, packet: RtpPacket, now: float) -> AudioReceived | None:
        lane = self._lanes.get(binding.session_id)
        if lane is None:
            return None
        lane.arrived(packet, now)
        feedback = lane.feedback(now)
        if feedback is not None:
            # Where authentic media comes from, feedback may go.
            self.send_rtcp(binding.session_id, binding.path, feedback)
        return lane.pass_on(binding.path, packet, now)

    def _is_in_networks(self, sender: Address) -> bool:
        if not self._networks:
            return False
        known = self._known_senders.get(sender)
        if known is None:
            if len(self._known_senders) >= MAX_REMEMBERED_SENDERS:
                self._known_senders.clear()
            host = ip_address(sender.host)
            known = self._known_senders[sender] = any(host in network for network in self._networks)
        return known

    # To the relays

    def send(self, path: Path, datagram: bytes) -> None:
        """Sends a STUN or DTLS datagram."""
        binding = self._by_path.get(path)
        if binding is None:
            self._drop(DropReason.SESSION_CLOSED)
            return
        self._counters.datagrams_sent += 1
        self._counters.bytes_sent += len(datagram)
        self._sendto(binding.header + datagram, binding.relay)

    def refused(self, datagrams: int, size: int) -> None:
        """Datagrams of `size` bytes in all, envelopes included, were handed to `sendto` and have not left."""
        self._counters.datagrams_sent -= datagrams
        self._counters.bytes_sent -= size - datagrams * HEADER_BYTES
        self._counters.drops[DropReason.SEND_FAILED] += datagrams

    def send_rtp(self, session_id: int, path: Path, packet: bytes) -> None:
        """Protects and sends an RTP packet."""
        srtp = self._srtp.get(session_id)
        self._send_protected(path, srtp.protect(packet) if srtp is not None else DropReason.SRTP_NOT_READY)

    def send_rtcp(self, session_id: int, path: Path, packet: bytes) -> None:
        """Protects and sends a compound RTCP packet."""
        srtp = self._srtp.get(session_id)
        self._send_protected(path, srtp.protect_rtcp(packet) if srtp is not None else DropReason.SRTP_NOT_READY)

    def schedule_rtp(self, session_id: int, path: Path, packet: bytes, due: float, now: float) -> None:
        """Sends an RTP packet when its time has come."""
        if due <= now and not self._schedule.waiting(session_id):
            self.send_rtp(session_id, path, packet)
        elif session_id not in self._srtp:
            self._drop(DropReason.SRTP_NOT_READY)
        elif path not in self._by_path:
            self._drop(DropReason.SESSION_CLOSED)
        else:
            before = self._schedule.next_due()
            if not self._schedule.push(session_id, path, packet, due):
                self._drop(DropReason.QUEUE_FULL)
            self._arm_if_closer(before)

    def rtp_waiting(self, session_id: int) -> int:
        """How many have not left."""
        return self._schedule.waiting(session_id)

    def take_back_rtp(self, session_id: int) -> int:
        """Forgets those."""
        return self._schedule.take_back(session_id)

    def reroute_rtp(self, session_id: int, path: Path) -> None:
        """Sends those on another path."""
        self._schedule.reroute(session_id, path)

    def next_release(self) -> float | None:
        """When `release` is to be called; None while nothing is scheduled."""
        return self._schedule.next_due()

    def release(self, now: float) -> None:
        """Sends what is due."""
        while (due := self._schedule.pop(now)) is not None:
            binding = self._by_path.get(due.path)
            if binding is not None and binding.session_id == due.session_id:
                self.send_rtp(due.session_id, due.path, due.packet)
            else:
                # It has become another session's meanwhile.
                self._drop(DropReason.SESSION_CLOSED)
        self._arm_if_closer(None)

    def _arm_if_closer(self, before: float | None) -> None:
        following = self._schedule.next_due()
        if following is not None and (before is None or following < before):
            self._arm(following)

    def send_feedback(self, session_id: int, path: Path, now: float) -> None:
        """Sends what the client is still to be told of its packets."""
        lane = self._lanes.get(session_id)
        feedback = lane.feedback(now) if lane is not None else None
        if feedback is not None:
            self.send_rtcp(session_id, path, feedback)

    def _send_protected(self, path: Path, protected: bytes | DropReason) -> None:
        if isinstance(protected, DropReason):
            self._drop(protected)
        else:
            self.send(path, protected)

    def _drop(self, reason: DropReason) -> None:
        self._counters.drops[reason] += 1
