"""One client's session: ICE, DTLS, RTP and RTCP put together. Sans-IO.

Inputs: datagrams with the path they came on (STUN and DTLS as received, RTP and RTCP after SRTP), time, and the wishes
of its owner (audio to send, close, renegotiate). Outputs: `Action`s, to be taken one by one after each input. `now` is
monotonic seconds and never goes back.

    created ──authentic check──▶ reachable ──DTLS Finished──▶ connected ──▶ closed
       └──────────── setup timeout ───┴── consent expired, close_notify, close ──▲
"""

import secrets
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from transceiver.config import SessionLimits
from transceiver.media_port.interface import AudioLane, Path
from transceiver.sdp.codecs import AudioFormat
from transceiver.sdp.credentials import DtlsRole, IceCredentials
from transceiver.sdp.offer import Offer
from transceiver.sdp.reception import Reception
from transceiver.session.actions import (
    Action,
    ApplicationData,
    BindPath,
    Closed,
    CloseReason,
    Connected,
    IceRestarted,
    RetireUfrag,
    SelectPath,
    SendDatagram,
    SendFeedback,
    SsrcChanged,
    StartSrtp,
    UnbindPath,
)
from transceiver.session.audio_receiver import AudioReceiver
from transceiver.session.audio_sender import AudioSender
from transceiver.session.certificate import Certificate
from transceiver.session.deadlines import Deadlines
from transceiver.session.dtls import DtlsState, DtlsTransport
from transceiver.session.handshake_budget import HandshakeBudget
from transceiver.session.ice import IceAgent, Refusal
from transceiver.session.lane_use import LaneUse
from transceiver.session.negotiation import LocalTransport, Negotiation
from transceiver.session.outgoing import Outgoing
from transceiver.session.paths import PathTable
from transceiver.session.playout_delay import PlayoutDelay
from transceiver.session.reporting import Reporter
from transceiver.session.rtp import RtpPacket
from transceiver.session.setup_stages import SetupStages
from transceiver.session.speech import Speech
from transceiver.session.stats import SessionStats, snapshot
from wire.address import Address
from wire.drop import DropReason
from wire.stun import BindingRequest

_CNAME_BYTES: Final = 12
_KNOWN_TO_CLIENT: Final = frozenset({CloseReason.CLIENT_CLOSED, CloseReason.DTLS_FAILED})
"""Ends that need not be told with all means."""


class Session:
    """See the module's docstring.

    Args:
        session_id: unique in this process; names the session towards the media port.
        call_id: names it towards everyone else.
        offer: what the client offered.
        certificate: this process's DTLS identity.
        mint_credentials: makes ICE credentials that relays can route and verify.
        candidates: the relays' public addresses, best first; at least one.
        handshakes: what the handshakes of this process may cost.
        limits: bounds and timers.
        data_channels: whether an offered data channel is accepted.
        lane: passes audio that comes in order; the session's own.
        now: the time of creation; `setup_timeout_s` counts from here.
    """

    def __init__(  # noqa: PLR0913  # the hub alone creates sessions, by name
        self,
        *,
        session_id: int,
        call_id: str,
        offer: Offer,
        certificate: Certificate,
        mint_credentials: Callable[[], IceCredentials],
        candidates: Sequence[Address],
        handshakes: HandshakeBudget,
        limits: SessionLimits,
        data_channels: bool,
        lane: AudioLane,
        now: float,
    ) -> None:
        self.session_id = session_id
        self.call_id = call_id
        self.closed = False
        self.connected = False
        self.stages = SetupStages(offered_at=now)
        self._limits = limits
        self._mint_credentials = mint_credentials
        self._remote_ufrag = offer.ice.ufrag
        self._ice = IceAgent(mint_credentials())
        self._paths = PathTable()
        self._outgoing = Outgoing(self._paths)
        self._actions = self._outgoing.actions
        self._dtls = DtlsTransport(certificate, offer.setup, offer.fingerprints, handshakes)
        mid = offer.media[offer.audio_index].mid
        self._receiver = AudioReceiver(offer.audio, mid)
        self._sender = AudioSender(offer.audio, mid)
        self.speech = Speech(self._sender, self._paths)
        cname = secrets.token_urlsafe(_CNAME_BYTES)
        self._reporter = Reporter(self._sender, self._receiver, cname, offer.audio)
        transport = LocalTransport(
            certificate.fingerprint, candidates, offer.setup, self._sender.ssrc, cname, data_channels
        )
        self._negotiation = Negotiation(offer, transport)
        self._deadlines = Deadlines(limits, now)
        self._handshake_path: Path | None = None
        self._timeout: float | None = None
        self._arrivals = lane
        self._arrivals.report_arrivals(self._reporter.arrival_reports)
        self._lane = LaneUse(lane, self._receiver, self._paths)
        self.delay: PlayoutDelay | None = None
        """Is to be told of the audio that passes in the lane."""
        self.answer = self._negotiation.answer(self._ice.local)
        self.negotiated: AudioFormat = offer.audio.format
        """The audio codec in use, with its clock rate. A later offer may number it anew."""

    @property
    def remote_fraction_lost(self) -> float:
        """What share of our packets the client has missed, by its last report."""
        return self._sender.fraction_lost

    @property
    def reception(self) -> Reception:
        """How the client wants our audio."""
        return self._negotiation.offer.audio.reception

    @property
    def has_data_channel(self) -> bool:
        """Whether the client offered a data channel and we accepted it."""
        return self._negotiation.has_data_channel

    @property
    def peer_max_message_bytes(self) -> int | None:
        """The longest data channel message that the client takes; None: any."""
        return self._negotiation.offer.max_message_bytes

    @property
    def is_dtls_client(self) -> bool:
        """Our DTLS role, which also decides the ids of data channels opened here (RFC 8832 section 6)."""
        return self._dtls.role is DtlsRole.CLIENT

    @property
    def local_ufrags(self) -> tuple[bytes, ...]:
        """The ufrags whose checks are answered."""
        return tuple(ufrag.encode() for ufrag in self._ice.ufrags)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The five-tuples that have proved themselves."""
        return self._paths.paths

    @property
    def selected_path(self) -> Path | None:
        """The one that is sent on."""
        return self._paths.selected

    @property
    def ssrcs(self) -> tuple[int, ...]:
        """What the client sends under, as authenticated."""
        return (self._receiver.ssrc,) if self._receiver.ssrc is not None else ()

    def stats(self) -> SessionStats:
        """A snapshot."""
        self._lane.catch_up()
        return snapshot(self._receiver, self._sender, self._reporter)

    def take_action(self) -> Action | None:
        """What is to be done next; None if there is nothing."""
        return self._actions.popleft() if self._actions else None

    @property
    def has_actions(self) -> bool:
        """Whether something is to be done."""
        return bool(self._actions)

    def follow(self, delay: PlayoutDelay, *, reorder: bool) -> None:
        """Tells `delay` when the client's audio packets come.

        Args:
            reorder: missing ones are waited for as long as it says. Otherwise for a fixed time, which suits a model
                that takes the client's own codec and waits by itself.
        """
        self.delay = delay
        self._receiver.follow(delay, reorder=reorder)

    @property
    def timeouts_have_changed(self) -> bool:
        """Whether `next_timeout` may say something earlier than it did."""
        return self._timeout is None

    # From the client. Each returns why the datagram was dropped, or None.

    def receive_stun(self, request: BindingRequest, datagram: bytes, path: Path, now: float) -> DropReason | None:
        """A Binding request that names one of `local_ufrags`."""
        if self.closed:
            return DropReason.SESSION_CLOSED
        self._lane.catch_up()
        check = self._ice.receive(request, datagram, path)
        if isinstance(check, DropReason):
            return check
        if isinstance(check, Refusal):
            # The client is authentic, so it gets the answer; but this check does not count as one.
            self._bind(path, len(datagram), nominated=False, now=now)
            self._outgoing.stun(SendDatagram(path, check.response))
            return check.reason
        self._deadlines.consent_given(now)
        self.stages.reached(now)
        self._timeouts_changed()
        if check.retired is not None:
            self._actions += [RetireUfrag(check.retired.encode()), IceRestarted()]
        self._bind(path, len(datagram), nominated=check.nominated, now=now)
        self._outgoing.stun(SendDatagram(path, check.response))
        if self._dtls.role is DtlsRole.CLIENT and self._dtls.state is DtlsState.NEW:
            # Beside the first response, which saves a round trip; it may even overtake the client's nomination.
            drop = self._dtls.start(now)
            self._after_dtls(now)
            return drop
        return None

    def receive_dtls(self, datagram: bytes, path: Path, now: float) -> DropReason | None:
        """A datagram of DTLS records."""
        refusal = self._refusal(path)
        if refusal is not None:
            return refusal
        # Its next packet confirms what DTLS has sent, and that is told here.
        self._lane.leave()
        selected = self._paths.selected
        drop = self._dtls.receive(datagram, now)
        if drop is not None:
            return drop
        self._paths.dtls_received(path, len(datagram), now)
        self._note_selection(selected)
        if not self.connected:
            self._handshake_path = path
        self._after_dtls(now)
        return None

    def receive_rtp(self, packet: RtpPacket, path: Path, now: float) -> DropReason | None:
        """An authentic RTP packet that the lane has not passed."""
        self._lane.catch_up()
        refusal = self._refusal(path)
        if refusal is not None:
            return refusal
        self._media_received(path, now)
        self.stages.heard(now)
        receiver = self._receiver
        ssrc = receiver.ssrc
        drop = receiver.receive(packet, now)
        if drop is None:
            if ssrc != packet.ssrc:
                self._actions.append(SsrcChanged(packet.ssrc))
            self._actions += receiver.take_frames()
            if receiver.next_timeout() is not None:
                self._timeouts_changed()
        self._lane.enter()
        return drop

    def receive_rtcp(self, packet: bytes, path: Path, now: float) -> DropReason | None:
        """An authentic compound RTCP packet."""
        refusal = self._refusal(path)
        if refusal is not None:
            return refusal
        self._lane.catch_up()
        self._media_received(path, now)
        drop = self._reporter.receive(packet, now)
        for repeat in self._reporter.take_repeats():
            self._outgoing.rtp(repeat)
        return drop

    def _refusal(self, path: Path) -> DropReason | None:
        if self.closed:
            return DropReason.SESSION_CLOSED
        return None if path in self._paths else DropReason.UNVALIDATED_FIVE_TUPLE

    def forget_path(self, path: Path, now: float) -> None:
        """Another session has proved that `path` is its own: a NAT gave the same port to another client."""
        if path in self._paths:
            self._lane.leave()
            selected = self._paths.selected
            self._paths.remove(path, now)
            self._note_selection(selected)

    # Time

    def next_timeout(self) -> float | None:
        """When `handle_timeout` is to be called next, possibly too early; None once closed.

        Asked often, so the answer is kept: what can bring a timeout closer calls `_timeouts_changed`.
        """
        if self.closed:
            return None
        if self._timeout is None:
            self._timeout = min(self._timeouts())
        return self._timeout

    def _timeouts_changed(self) -> None:
        self._timeout = None

    def _timeouts(self) -> Iterable[float]:
        yield self._deadlines.earliest(connected=self.connected)
        for part in (self._dtls, self._receiver, self._reporter):
            timeout = part.next_timeout()
            if timeout is not None:
                yield timeout

    def handle_timeout(self, now: float) -> None:
        """Does what is due. Calling it early does nothing."""
        if self.closed:
            return
        expired = self._deadlines.expired(now, connected=self.connected)
        if expired is not None:
            self.close(expired, now)
            return
        self._timeouts_changed()
        if self._dtls.next_timeout() is not None:
            self._dtls.handle_timeout(now)
            self._after_dtls(now)
        if self._receiver.next_timeout() is not None:
            self._receiver.handle_timeout(now)
            self._actions += self._receiver.take_frames()
        self._lane.catch_up()
        report = self._reporter.handle_timeout(now)
        if report is not None:
            self._outgoing.rtcp(report)
            if self._paths.media_path is not None:
                # What nothing has come after to tell it with.
                self._actions.append(SendFeedback(self._paths.media_path))
        self._unbind_silent(now)

    # Wishes of the owner

    def send_application_data(self, data: bytes, now: float) -> None:
        """Sends one SCTP packet over DTLS; ignored unless connected.

        Raises:
            ValueError: `data` is too long for one datagram.
        """
        self._dtls.send(data)
        self._after_dtls(now)

    def restart_ice(self, remote: IceCredentials) -> IceCredentials:
        """Mints new credentials; the former stay valid until the client uses the new ones. Media goes on.

        Only a new ufrag of the client asks for a restart (RFC 8839 section 4.4.1.1.1): with the one it had, the current
        credentials are returned.
        """
        if remote.ufrag == self._remote_ufrag:
            return self._ice.local
        retired = self._ice.restart(self._mint_credentials())
        if retired is not None:
            self._actions.append(RetireUfrag(retired.encode()))
        self._remote_ufrag = remote.ufrag
        return self._ice.local

    def renegotiate(self, offer: Offer) -> str:
        """Answers a later offer: direction, SSRCs and extensions may change, and a new ufrag restarts ICE.

        Raises:
            OfferError: it wants another codec or another DTLS association; nothing has changed then.
        """
        self._negotiation.accept(offer)
        self.restart_ice(offer.ice)
        self._lane.leave()
        self._receiver.configure(offer.audio, self._negotiation.mid)
        self._sender.configure(offer.audio, self._negotiation.mid)
        self._reporter.configure(offer.audio)
        self._arrivals.report_arrivals(self._reporter.arrival_reports)
        self.negotiated = offer.audio.format
        self.answer = self._negotiation.answer(self._ice.local)
        return self.answer

    def close(self, reason: CloseReason, now: float) -> None:
        """Ends the session: RTCP BYE and close_notify if there is someone to tell. Closing twice does nothing."""
        if self.closed:
            return
        self._lane.leave()
        self._arrivals.report_arrivals(None)
        self._dtls.close()
        farewell: list[SendDatagram] = []
        # RFC 7675 section 5.1: without consent nothing is sent any more.
        if reason is not CloseReason.CONSENT_EXPIRED:
            if self.connected:
                self._outgoing.rtcp(self._reporter.goodbye(now))
            farewell = self._outgoing.dtls(self._dtls.take_datagrams())
        self.closed, self.speech.may_be_sent = True, False
        repeated = self.connected and reason not in _KNOWN_TO_CLIENT
        self._actions.append(Closed(reason, tuple(farewell) if repeated else ()))

    # Inside

    def _bind(self, path: Path, size: int, *, nominated: bool, now: float) -> None:
        selected = self._paths.selected
        evicted = self._paths.check_received(path, size, nominated=nominated, now=now)
        if evicted is not None:
            self._actions.append(UnbindPath(evicted))
        self._actions.append(BindPath(path))
        self._note_selection(selected)

    def _media_received(self, path: Path, now: float) -> None:
        selected = self._paths.selected
        self._paths.media_received(path, now)
        if path != selected:
            self._note_selection(selected)
        self._dtls.confirm()

    def _note_selection(self, before: Path | None) -> None:
        self._lane.leave_if_moved()
        selected = self._paths.selected
        if selected is not None and selected != before:
            self._actions.append(SelectPath(selected))

    def _unbind_silent(self, now: float) -> None:
        for path in self._paths.silent_since(now - self._limits.consent_timeout_s):
            self._paths.remove(path, now)
            self._actions.append(UnbindPath(path))

    def _after_dtls(self, now: float) -> None:
        """Passes on whatever the last call into DTLS has brought about."""
        self._timeouts_changed()
        self._outgoing.dtls(self._dtls.take_datagrams())
        if (keys := self._dtls.take_keys()) is not None:
            self.connected = self.speech.may_be_sent = True
            self.stages.connected_at = now
            if self._handshake_path is not None and self._handshake_path in self._paths:
                # Its Finished depends on what we sent: the client is where it says.
                self._paths.prove(self._handshake_path)
            self._actions += [StartSrtp(keys), Connected()]
            self._reporter.start(now)
        while (data := self._dtls.take_data()) is not None:
            self._actions.append(ApplicationData(data))
        if self._dtls.close_reason is not None:
            self.close(self._dtls.close_reason, now)
