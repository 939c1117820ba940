"""All sessions of one transceiver: finds the session that a datagram is for, and does what the session decides.

The hub is sans-IO as the sessions are: a media port hands it what arrived, its owner calls it when `next_timeout` is
due, and everything it does goes out through the media port and the two listeners. `now` is monotonic time in seconds,
the same clock for all callers.

A session decides, the hub acts: so whoever wants something of a session (send audio, close it) asks the hub, which
passes it on and then performs the actions that the session answers with.
"""

import heapq
import secrets
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from transceiver.config import SessionLimits
from transceiver.farewells import Farewells
from transceiver.media_port.interface import MediaPort, Path
from transceiver.sdp.credentials import IceCredentials
from transceiver.sdp.offer import parse_offer
from transceiver.session import actions
from transceiver.session.actions import AudioReceived, CloseReason, KeyPressed
from transceiver.session.certificate import Certificate
from transceiver.session.handshake_budget import HandshakeBudget
from transceiver.session.rtp import RtpPacket
from transceiver.session.session import Session
from wire.address import Address
from wire.drop import DropReason
from wire.stun import BindingRequest, parse_binding_request
from wire.ufrag import KeyRing, RouteToken

NONCE_BITS = 48


class TooManySessions(Exception):
    """The hub holds as many sessions as it may; try another transceiver."""


class NoCandidates(Exception):
    """No relay is known that a client could be sent to."""


class TooManyConnecting(Exception):
    """As many sessions as may be are waiting for their client; try again in a moment."""


class SessionListener(Protocol):
    """Hears what happens in one session. Called from within the hub, so it may call the hub but must not block."""

    def connected(self, session: Session, now: float) -> None:
        """Media can be sent."""

    def ice_restarted(self, session: Session, now: float) -> None:
        """The client has gone over to the credentials of an ICE restart."""

    def audio(self, session: Session, frame: AudioReceived, now: float) -> None:
        """The client's next audio packet, in order."""

    def application_data(self, session: Session, data: bytes, now: float) -> None:
        """An SCTP packet of the client, out of DTLS."""

    def key_pressed(self, session: Session, press: KeyPressed, now: float) -> None:
        """The client has pressed and released a telephone key, in order with its audio."""

    def closed(self, session: Session, reason: CloseReason, now: float) -> None:
        """The session has ended. Called exactly once, and nothing follows."""


class FlowListener(Protocol):
    """Hears where sessions are, so that relays can be told."""

    def flow_bound(self, session: Session, path: Path, ssrcs: Collection[int], selected: bool) -> None:
        """`path` belongs to `session`; called again when its SSRCs or its being selected have changed."""

    def flow_unbound(self, path: Path) -> None:
        """`path` belongs to no session any more."""


@dataclass(slots=True)
class HubCounters:
    """Totals since start. `drops` holds what the hub and its sessions refused; the port counts its own."""

    opened: int = 0
    connected: int = 0
    closed: Counter[CloseReason] = field(default_factory=Counter)
    drops: Counter[DropReason] = field(default_factory=Counter)


class SessionHub:
    """See the module's docstring. Implements `MediaSink`.

    Args:
        port: where datagrams come from and go to; the hub becomes its sink.
        flows: told of every path a session gains or loses.
        keys: mints ufrags and call ids. The attribute may be replaced when keys rotate; live sessions keep theirs.
        cluster_id, transceiver_id: the route that ufrags and call ids carry.
        certificate: this process's DTLS identity.
        candidates: draws the relays, as clients reach them, that the next client is told of.
        limits: bounds and timers of each session.
        max_sessions: `create` refuses beyond that.
        max_connecting: and beyond that many whose client has not completed its handshake. So offers that are made and
            abandoned never fill the house: each of them gives its place back after `setup_timeout_s`.
        data_channels: whether the listeners can serve SCTP; if not, an offered data channel is declined.
        arm: called with the time of the earliest timeout when that has moved closer.
    """

    def __init__(  # noqa: PLR0913  # the composition root alone creates it, by name
        self,
        port: MediaPort,
        flows: FlowListener,
        *,
        keys: KeyRing,
        cluster_id: int,
        transceiver_id: int,
        certificate: Certificate,
        candidates: Callable[[], Sequence[Address]],
        limits: SessionLimits,
        max_sessions: int,
        max_connecting: int,
        arm: Callable[[float], None],
        data_channels: bool = False,
    ) -> None:
        self.keys = keys
        self.counters = HubCounters()
        self._port = port
        self._flows = flows
        self._cluster_id = cluster_id
        self._transceiver_id = transceiver_id
        self._certificate = certificate
        self._draw_candidates = candidates
        self._limits = limits
        self._max_sessions = max_sessions
        self._max_connecting = max_connecting
        self._connecting = 0
        self._handshakes = HandshakeBudget()
        self._arm = arm
        self._data_channels = data_channels
        self._last_session_id = 0
        self._sessions: dict[int, Session] = {}
        self._listeners: dict[int, SessionListener] = {}
        self._by_ufrag: dict[bytes, Session] = {}
        self._by_path: dict[Path, Session] = {}
        self._farewells = Farewells(port.send, self._give_up)
        # Entries may be early or stale, never late: see _arm_session.
        self._timers: list[tuple[float, int]] = []
        self._armed: dict[int, float] = {}
        port.deliver_to(self)

    # Calls

    def __len__(self) -> int:
        return len(self._sessions)

    @property
    def connecting(self) -> int:
        """Sessions whose client has not completed its handshake."""
        return self._connecting

    def sessions_by_key(self) -> Counter[str]:
        """How many sessions have a ufrag that was minted with each routing key. Without it their checks are refused."""
        return Counter(session.local_ufrags[0][:1].decode() for session in self._sessions.values())

    @property
    def parting(self) -> int:
        """Sessions that have ended and whose client is still being told."""
        return len(self._farewells)

    def create(self, offer_sdp: str, listener: SessionListener, *, now: float) -> Session:
        """Opens a session for an offer; its answer is `session.answer`.

        Raises:
            OfferError: the offer cannot be served, with the reason for the client.
            TooManySessions: the process is full.
            TooManyConnecting: too many clients have been answered and have not come yet.
            NoCandidates: no relay is known that the client could be sent to.
        """
        # Before the offer is read: a refusal has to be cheap.
        if len(self._sessions) >= self._max_sessions:
            raise TooManySessions(f"this transceiver holds its {self._max_sessions} sessions already")
        if self._connecting >= self._max_connecting:
            raise TooManyConnecting(f"{self._connecting} calls are being connected here already")
        candidates = self._draw_candidates()
        if not candidates:
            raise NoCandidates("no relay has said yet where clients reach it")
        offer = parse_offer(offer_sdp)
        token = self._new_token()
        self._last_session_id += 1
        session = Session(
            session_id=self._last_session_id,
            call_id=self.keys.mint_call_id(token),
            offer=offer,
            certificate=self._certificate,
            mint_credentials=self._mint_credentials,
            candidates=candidates,
            handshakes=self._handshakes,
            limits=self._limits,
            data_channels=self._data_channels,
            lane=self._port.lane(self._last_session_id),
            now=now,
        )
        self._sessions[session.session_id] = session
        self._listeners[session.session_id] = listener
        self._index_ufrags(session)
        self._connecting += 1
        self.counters.opened += 1
        self._perform(session, now)
        return session

    def send_audio(self, session: Session, payload: bytes, rtp_timestamp: int, marker: bool, now: float) -> None:
        """Sends one audio packet; see `Speech.send`. A closed session ignores it."""
        send = session.speech.send(payload, rtp_timestamp, marker, now)
        if send is not None:
            self._port.send_rtp(session.session_id, *send)

    def schedule_audio(  # noqa: PLR0917  # as `send_audio`, when, and how loud
        self,
        session: Session,
        payload: bytes,
        rtp_timestamp: int,
        marker: bool,
        due: float,
        now: float,
        level_dbov: int | None = None,
    ) -> None:
        """Sends one audio packet when `due` has come; see `MediaPort.schedule_rtp`. A closed session ignores it."""
        send = session.speech.schedule(payload, rtp_timestamp, marker, due, level_dbov)
        if send is not None:
            self._port.schedule_rtp(session.session_id, *send, due, now)

    def audio_waiting(self, session: Session) -> int:
        """How many of the scheduled packets have not left."""
        count = self._port.rtp_waiting(session.session_id)
        session.speech.waits(count)
        return count

    def take_back_audio(self, session: Session) -> int:
        """Those will not leave. Returns how many they were."""
        count = self._port.take_back_rtp(session.session_id)
        session.speech.take_back(count)
        return count

    def send_application_data(self, session: Session, data: bytes, now: float) -> None:
        """Sends one SCTP packet over DTLS. A session that is not connected ignores it."""
        session.send_application_data(data, now)
        self._perform(session, now)

    def renegotiate(self, session: Session, offer_sdp: str, now: float) -> str:
        """Answers a later offer of the same client, restarting ICE if it asks for that.

        Raises:
            OfferError: the offer cannot be served; the session goes on as before.
        """
        answer = session.renegotiate(parse_offer(offer_sdp))
        self._index_ufrags(session)
        self._perform(session, now)
        return answer

    def restart_ice(self, session: Session, remote: IceCredentials, now: float) -> IceCredentials:
        """Restarts ICE without a new offer (WHIP's PATCH, RFC 9725 section 4.3.3); returns our new credentials."""
        local = session.restart_ice(remote)
        self._index_ufrags(session)
        self._perform(session, now)
        return local

    def close(self, session: Session, reason: CloseReason, now: float) -> None:
        """Ends a session in order (RTCP BYE, close_notify). A closed session ignores it."""
        self._settle(session)
        session.close(reason, now)
        self._perform(session, now)

    def _new_token(self) -> RouteToken:
        return RouteToken(self._cluster_id, self._transceiver_id, secrets.randbits(NONCE_BITS))

    def _mint_credentials(self) -> IceCredentials:
        ufrag = self.keys.mint_ufrag(self._new_token())
        return IceCredentials(ufrag, self.keys.ice_pwd(ufrag))

    def _index_ufrags(self, session: Session) -> None:
        for ufrag in session.local_ufrags:
            self._by_ufrag[ufrag] = session

    # MediaSink

    def stun_received(self, path: Path, datagram: bytes, relay: Address, now: float) -> None:
        """Finds the session by the ufrag that the check names, whatever the path is bound to."""
        request = parse_binding_request(datagram)
        if not isinstance(request, BindingRequest):
            # Responses and indications, too: an ICE-lite agent asks nothing, and indications are keepalives.
            self.counters.drops[request] += 1
            return
        session = self._by_ufrag.get(request.local_ufrag)
        if session is None:
            self.counters.drops[DropReason.UNKNOWN_UFRAG] += 1
            return
        self._count(session.receive_stun(request, datagram, path, now))
        self._perform(session, now, relay)

    def dtls_received(self, session_id: int, path: Path, datagram: bytes, now: float) -> None:
        """Passes DTLS on."""
        session = self._live(session_id)
        if session is not None:
            self._count(session.receive_dtls(datagram, path, now))
            self._perform(session, now)

    def audio_received(self, session_id: int, frame: AudioReceived, now: float) -> None:
        """Passes audio on that has come in order: past the session."""
        session = self._sessions.get(session_id)
        if session is None:
            self._count(DropReason.SESSION_CLOSED)
            return
        if session.delay is not None:
            session.delay.arrived(frame.rtp_timestamp, now)
        self._listeners[session_id].audio(session, frame, now)

    def rtp_received(self, session_id: int, path: Path, packet: RtpPacket, now: float) -> None:
        """Passes other RTP on."""
        session = self._live(session_id)
        if session is not None:
            self._count(session.receive_rtp(packet, path, now))
            self._perform(session, now)

    def rtcp_received(self, session_id: int, path: Path, packet: bytes, now: float) -> None:
        """Passes RTCP on."""
        session = self._live(session_id)
        if session is not None:
            self._settle(session)
            self._count(session.receive_rtcp(packet, path, now))
            self._perform(session, now)

    def _settle(self, session: Session) -> None:
        """Before a report is read or written: what has left by itself."""
        if session.speech.has_scheduled:
            self.audio_waiting(session)

    def _live(self, session_id: int) -> Session | None:
        session = self._sessions.get(session_id)
        if session is None:
            self.counters.drops[DropReason.SESSION_CLOSED] += 1
        return session

    def _count(self, drop: DropReason | None) -> None:
        if drop is not None:
            self.counters.drops[drop] += 1

    # Timers

    def next_timeout(self) -> float | None:
        """When `handle_timeout` is to be called next; it does no harm to call it earlier."""
        timeouts = (self._timers[0][0] if self._timers else None, self._farewells.next_timeout())
        return min((timeout for timeout in timeouts if timeout is not None), default=None)

    def handle_timeout(self, now: float) -> None:
        """Lets every session act whose time has come."""
        self._farewells.handle_timeout(now)
        while self._timers and self._timers[0][0] <= now:
            when, session_id = heapq.heappop(self._timers)
            session = self._sessions.get(session_id)
            if session is None or self._armed.get(session_id) != when:
                continue
            del self._armed[session_id]
            self._settle(session)
            session.handle_timeout(now)
            self._perform(session, now)

    def _arm_session(self, session: Session, now: float) -> None:
        # A session's timeout mostly moves away (each packet postpones something). Then its entry stays where it is,
        # fires early, does nothing and is put back: one heap operation per period instead of one per packet.
        when = now if session.has_actions else session.next_timeout()
        armed = self._armed.get(session.session_id)
        if when is None or (armed is not None and armed <= when):
            return
        self._armed[session.session_id] = when
        heapq.heappush(self._timers, (when, session.session_id))
        if self._timers[0][0] == when:
            self._arm(when)

    # Actions

    def _perform(self, session: Session, now: float, relay: Address | None = None) -> None:
        """Does what `session` has decided. `relay` is where the datagram at hand came through, if it was a check.

        A listener may call the hub from here, which then goes on with the same row of actions. If it raises, the rest
        of them waits for the session's timer, which is set to fire at once.
        """
        try:
            while (action := session.take_action()) is not None:
                self._perform_one(session, action, now, relay)
        finally:
            if (session.timeouts_have_changed or session.has_actions) and session.session_id in self._sessions:
                self._arm_session(session, now)

    def _perform_one(self, session: Session, action: actions.Action, now: float, relay: Address | None) -> None:
        match action:
            case actions.SendRtp(path, packet):
                self._port.send_rtp(session.session_id, path, packet)
            case actions.AudioReceived():
                self._listeners[session.session_id].audio(session, action, now)
            case actions.SendDatagram(path, datagram):
                self._port.send(path, datagram)
            case actions.SendRtcp(path, packet):
                self._port.send_rtcp(session.session_id, path, packet)
            case actions.SendFeedback(path):
                self._port.send_feedback(session.session_id, path, now)
            case actions.SelectPath(path):
                self._port.reroute_rtp(session.session_id, path)
                self._announce_flows(session)
            case actions.Closed(reason, farewell):
                self._forget(session, reason, farewell, now)
            case _:
                self._perform_rare(session, action, now, relay)

    def _perform_rare(self, session: Session, action: actions.Action, now: float, relay: Address | None) -> None:
        match action:
            case actions.BindPath(path) if relay is not None:
                self._bind(session, path, relay, now)
            case actions.UnbindPath(path):
                self._unbind(path)
            case actions.SsrcChanged():
                self._announce_flows(session)
            case actions.RetireUfrag(ufrag):
                self._by_ufrag.pop(ufrag, None)
            case actions.StartSrtp(keys):
                self._port.start_srtp(session.session_id, keys)
            case actions.Connected():
                self._connecting -= 1
                self.counters.connected += 1
                self._listeners[session.session_id].connected(session, now)
            case actions.IceRestarted():
                self._listeners[session.session_id].ice_restarted(session, now)
            case actions.KeyPressed():
                self._listeners[session.session_id].key_pressed(session, action, now)
            case actions.ApplicationData(data):
                self._listeners[session.session_id].application_data(session, data, now)

    def _bind(self, session: Session, path: Path, relay: Address, now: float) -> None:
        self._port.bind(path, session.session_id, relay)
        owner = self._by_path.get(path)
        if owner is session:
            return
        if owner is not None:
            # A NAT has given the same port to another client: the ufrag beats what we knew.
            owner.forget_path(path, now)
            self._perform(owner, now)
        self._by_path[path] = session
        self._farewells.give_way(path)
        self._flows.flow_bound(session, path, session.ssrcs, path == session.selected_path)

    def _unbind(self, path: Path) -> None:
        self._port.unbind(path)
        del self._by_path[path]
        self._flows.flow_unbound(path)

    def _announce_flows(self, session: Session) -> None:
        for path in session.paths:
            self._flows.flow_bound(session, path, session.ssrcs, path == session.selected_path)

    def _forget(
        self, session: Session, reason: CloseReason, farewell: Sequence[actions.SendDatagram], now: float
    ) -> None:
        if farewell:
            self._port.take_back_rtp(session.session_id)
        else:
            self._port.stop(session.session_id)
        for path in session.paths:
            del self._by_path[path]
            if farewell and path == farewell[0].path:
                self._arm(self._farewells.begin(session.session_id, path, [said.datagram for said in farewell], now))
            else:
                self._port.unbind(path)
                self._flows.flow_unbound(path)
        for ufrag in session.local_ufrags:
            del self._by_ufrag[ufrag]
        del self._sessions[session.session_id]
        self._armed.pop(session.session_id, None)
        if not session.connected:
            self._connecting -= 1
        self.counters.closed[reason] += 1
        self._listeners.pop(session.session_id).closed(session, reason, now)

    def _give_up(self, session_id: int, path: Path) -> None:
        """Lets go of the path that a session has left for its farewell, unless that has a new owner."""
        self._port.stop(session_id)
        if path not in self._by_path:
            self._flows.flow_unbound(path)
