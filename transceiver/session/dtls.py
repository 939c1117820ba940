"""DTLS 1.2 with DTLS-SRTP (RFC 6347, RFC 5764) over OpenSSL's memory buffers. Sans-IO.

Inputs are datagrams, time and application data; outputs are datagrams, keys and application data:

    NEW ──start──▶ HANDSHAKING ──Finished, fingerprint matches──▶ CONNECTED ──close_notify, close──▶ CLOSED
                        └───────── alert, other fingerprint, no SRTP profile ─────────────────────────▲

**Retransmission.** OpenSSL waits one second before it sends a flight again, far too long for a call, and offers no
knob here. So the last flight is kept and its very datagrams are sent again after 50 ms (libwebrtc's first timeout, and
1.5 round trips once one is measured), with back-off: a record that the client has seen it drops as a replay, one that
was lost it takes. The one thing that needs a fresh record, a repeated Finished that asks the server for its last
flight, OpenSSL still does by its own clock, which is asked each time the timer here fires.

**Storms.** Each step of a handshake takes a turn of the process's `HandshakeBudget`; until then the datagram waits
here.

**Alerts in the clear.** Until the keys are there, anybody who can send from the client's five-tuple can send a fatal
alert, and OpenSSL would obey. So alerts of epoch 0 are kept from it (RFC 6347 section 4.1.2.7 lets invalid records be
discarded silently). A true one is followed by silence: the handshake fails when it has made no progress for a while
after one.
"""

import contextlib
from collections import deque
from enum import Enum
from typing import Final

from cryptography.hazmat.primitives import hashes
from OpenSSL import SSL

from transceiver.media_port.interface import SrtpKeys, SrtpProfile
from transceiver.sdp.credentials import DtlsRole, Fingerprint
from transceiver.session.actions import CloseReason
from transceiver.session.certificate import Certificate
from transceiver.session.dtls_records import MTU, pack_records, records_fit, without_clear_alerts
from transceiver.session.handshake_budget import HandshakeBudget
from wire.drop import DropReason

MAX_HANDSHAKE_BYTES: Final = 65_536
"""A handshake of a stock client receives 2 to 6 KB, retransmissions included."""
MAX_HANDSHAKE_DATAGRAMS: Final = 100
"""Of a stock client 3 to 10; so a single client cannot use up the turns of the others with small ones."""
MAX_WAITING: Final = 8
"""Datagrams of one handshake that wait for their turn."""
ALERT_PATIENCE_S: Final = 2.0
"""How long a handshake may make no progress after a fatal alert in the clear."""

_FIRST_RETRANSMISSION_S: Final = 0.05
_LAST_RETRANSMISSION_S: Final = 0.5
_RETRANSMISSION_ROUND_TRIPS: Final = 1.5
_MAX_FINAL_FLIGHT_REPEATS: Final = 5
_FIRST_FLIGHT: Final = b""
_EXPORTER_LABEL: Final = b"EXTRACTOR-dtls_srtp"
_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "sha-256": hashes.SHA256(),
    "sha-384": hashes.SHA384(),
    "sha-512": hashes.SHA512(),
}


class DtlsState(Enum):
    """See the diagram in the module's docstring."""

    NEW = "new"
    HANDSHAKING = "handshaking"
    CONNECTED = "connected"
    CLOSED = "closed"


class DtlsTransport:
    """One DTLS association.

    Args:
        certificate: ours.
        role: who sends the ClientHello.
        fingerprints: the client's certificate must have one of them.
        budget: the process's.
    """

    def __init__(
        self,
        certificate: Certificate,
        role: DtlsRole,
        fingerprints: tuple[Fingerprint, ...],
        budget: HandshakeBudget,
    ) -> None:
        self.role = role
        self.state = DtlsState.NEW
        self._keys: SrtpKeys | None = None
        self.close_reason: CloseReason | None = None
        """Set with CLOSED, unless we closed."""
        self._fingerprints = fingerprints
        self._ssl = SSL.Connection(certificate.context)
        self._ssl.set_ciphertext_mtu(MTU)
        if role is DtlsRole.CLIENT:
            self._ssl.set_connect_state()
        else:
            self._ssl.set_accept_state()
        self._outgoing: list[bytes] = []
        self._received: deque[bytes] = deque()
        self._budget = budget
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._handshake_bytes = 0
        self._handshake_datagrams = 0
        self._alert_deadline: float | None = None
        self._flight: list[bytes] = []
        self._flight_sent_at = 0.0
        self._repeats = 0
        self._timeout_s = _FIRST_RETRANSMISSION_S
        self._next_timeout: float | None = None

    def start(self, now: float) -> DropReason | None:
        """Begins the handshake: a client sends its ClientHello. Later calls do nothing.

        DTLS_BUDGET if there are too many of them just now; to be called again then.
        """
        return self._step(_FIRST_FLIGHT, now) if self.state is DtlsState.NEW else None

    def receive(self, datagram: bytes, now: float) -> DropReason | None:
        """Takes a datagram from the client; a reason if it was not looked at."""
        if self.state is DtlsState.CLOSED:
            return DropReason.SESSION_CLOSED
        if not records_fit(datagram):
            return DropReason.MALFORMED_DTLS
        datagram, fatal = without_clear_alerts(datagram)
        if fatal and self.state is DtlsState.HANDSHAKING and self._alert_deadline is None:
            self._alert_deadline = now + ALERT_PATIENCE_S
        if not datagram:
            return None
        if self.state is DtlsState.CONNECTED:
            self._ssl.bio_write(datagram)
            self._read(now)
            return None
        self._handshake_bytes += len(datagram)
        self._handshake_datagrams += 1
        if self._handshake_bytes > MAX_HANDSHAKE_BYTES or self._handshake_datagrams > MAX_HANDSHAKE_DATAGRAMS:
            return DropReason.DTLS_BUDGET
        return self._step(datagram, now)

    def send(self, data: bytes) -> None:
        """Sends application data in one record; nothing unless connected.

        Raises:
            ValueError: `data` does not fit a datagram.
        """
        if self.state is not DtlsState.CONNECTED:
            return
        if len(data) > self._ssl.get_cleartext_mtu():
            raise ValueError(f"{len(data)} bytes do not fit a DTLS record of {MTU} bytes")
        self._ssl.send(data)
        self._outgoing += self._drain()

    def confirm(self) -> None:
        """Tells that the client has our Finished, because it sends SRTP: our last flight need not be repeated."""
        if self.state is DtlsState.CONNECTED:
            self._next_timeout = None
            self._flight = []

    def close(self) -> None:
        """Sends close_notify, if there is anyone to tell."""
        if self.state is DtlsState.CONNECTED:
            self._say_close_notify()
        self._end(None)

    def next_timeout(self) -> float | None:
        """When `handle_timeout` is due."""
        if not self._waiting and self._alert_deadline is None:
            # Once connected always so.
            return self._next_timeout
        turn = self._waiting[0][0] if self._waiting else None
        timeouts = (self._next_timeout, turn, self._alert_deadline)
        return min((timeout for timeout in timeouts if timeout is not None), default=None)

    def handle_timeout(self, now: float) -> None:
        """Does what has waited for its turn, and sends the last flight again, if it is time."""
        while self._waiting and self._waiting[0][0] <= now:
            self._advance(self._waiting.popleft()[1], now)
        if self._alert_deadline is not None and now >= self._alert_deadline:
            self._end(CloseReason.DTLS_FAILED)
        if self._next_timeout is not None and now >= self._next_timeout:
            if self._waiting:
                # The client has answered; it is we who are late.
                self._next_timeout = now + self._timeout_s
            else:
                self._retransmit(now)

    def _retransmit(self, now: float) -> None:
        self._repeats += 1
        if self.state is DtlsState.CONNECTED and self._repeats > _MAX_FINAL_FLIGHT_REPEATS:
            self._next_timeout = None
            return
        try:
            self._ssl.DTLSv1_handle_timeout()
        except SSL.Error:
            self._end(CloseReason.DTLS_FAILED)
            return
        fresh = self._drain()
        if fresh:
            self._flight = fresh
        self._outgoing += self._flight
        self._timeout_s = min(2 * self._timeout_s, _LAST_RETRANSMISSION_S)
        self._next_timeout = now + self._timeout_s

    def take_datagrams(self) -> list[bytes]:
        """What is to be sent now."""
        datagrams, self._outgoing = self._outgoing, []
        return datagrams

    def take_keys(self) -> SrtpKeys | None:
        """The keys, once, when the handshake has given them. They are not kept."""
        keys, self._keys = self._keys, None
        return keys

    def take_data(self) -> bytes | None:
        """The next application record of the client."""
        return self._received.popleft() if self._received else None

    def _step(self, datagram: bytes, now: float) -> DropReason | None:
        """Lets a datagram of the handshake take its turn, at once or later."""
        turn = self._budget.reserve(now) if len(self._waiting) < MAX_WAITING else None
        if turn is None:
            return DropReason.DTLS_BUDGET
        self.state = DtlsState.HANDSHAKING
        if turn <= now and not self._waiting:
            self._advance(datagram, now)
        else:
            self._waiting.append((turn, datagram))
        return None

    def _advance(self, datagram: bytes, now: float) -> None:
        if datagram:
            self._ssl.bio_write(datagram)
        if self.state is DtlsState.HANDSHAKING:
            self._handshake(now)
        if self.state is DtlsState.CONNECTED:
            self._read(now)

    def _handshake(self, now: float) -> None:
        try:
            self._ssl.do_handshake()
        except SSL.WantReadError:
            self._keep_flight(self._drain(), now)
            return
        except SSL.Error:
            # The alert that says why is on its way to the client.
            self._outgoing += self._drain()
            self._end(CloseReason.DTLS_FAILED)
            return
        self._next_timeout = None
        if not self._is_authentic():
            self._refuse(CloseReason.FINGERPRINT_MISMATCH)
            return
        self._keys = self._export_keys()
        if self._keys is None:
            self._refuse(CloseReason.DTLS_FAILED)
            return
        self.state = DtlsState.CONNECTED
        self._alert_deadline = None
        # A client has nothing left to say; a server's last flight may get lost, and with it the client's patience.
        self._keep_flight(self._drain(), now)

    def _refuse(self, reason: CloseReason) -> None:
        """The handshake is complete but of no use: says so with close_notify."""
        self._say_close_notify()
        self._end(reason)

    def _say_close_notify(self) -> None:
        # OpenSSL may refuse, for instance after a fatal alert; then the client knows already.
        with contextlib.suppress(SSL.Error):
            self._ssl.shutdown()
        self._outgoing += self._drain()

    def _keep_flight(self, flight: list[bytes], now: float) -> None:
        if not flight:
            return
        self._alert_deadline = None
        if self._flight and self._repeats == 0:
            # An unambiguous round trip (Karn's rule): the client has answered the first copy of our last flight.
            round_trip = now - self._flight_sent_at
            self._timeout_s = max(_FIRST_RETRANSMISSION_S, _RETRANSMISSION_ROUND_TRIPS * round_trip)
        self._flight, self._flight_sent_at, self._repeats = flight, now, 0
        self._outgoing += flight
        self._next_timeout = now + self._timeout_s

    def _is_authentic(self) -> bool:
        certificate = self._ssl.get_peer_certificate(as_cryptography=True)
        if certificate is None:
            return False
        return any(certificate.fingerprint(_HASHES[name]) == digest for name, digest in self._fingerprints)

    def _export_keys(self) -> SrtpKeys | None:
        """RFC 5764 section 4.2: client key, server key, client salt, server salt."""
        name = self._ssl.get_selected_srtp_profile().decode()
        if not name:
            return None
        profile = SrtpProfile(name)
        key, salt = profile.key_bytes, profile.salt_bytes
        material = self._ssl.export_keying_material(_EXPORTER_LABEL, 2 * (key + salt))
        client = material[:key] + material[2 * key : 2 * key + salt]
        server = material[key : 2 * key] + material[2 * key + salt :]
        if self.role is DtlsRole.CLIENT:
            return SrtpKeys(profile, inbound=server, outbound=client)
        return SrtpKeys(profile, inbound=client, outbound=server)

    def _read(self, now: float) -> None:
        try:
            while True:
                self._received.append(self._ssl.recv(16_384))
                self.confirm()
        except SSL.WantReadError:
            repeated = self._drain()
            if repeated:
                # The client has repeated its last flight, so OpenSSL has repeated ours.
                self._keep_flight(repeated, now)
        except SSL.ZeroReturnError:
            self._end(CloseReason.CLIENT_CLOSED)
        except SSL.Error:
            self._end(CloseReason.DTLS_FAILED)

    def _end(self, reason: CloseReason | None) -> None:
        if self.state is DtlsState.CLOSED:
            return
        # At once, and not when the collector comes upon the ended call: OpenSSL's part is 60 KB, and holds keys.
        del self._ssl
        self._keys = None
        self.state = DtlsState.CLOSED
        self.close_reason = reason
        self._next_timeout = self._alert_deadline = None
        self._waiting.clear()
        self._flight = []

    def _drain(self) -> list[bytes]:
        try:
            return pack_records(self._ssl.bio_read(65_536))
        except SSL.WantReadError:
            return []
