"""DTLS 1.2 with DTLS-SRTP (RFC 6347, RFC 5764) over OpenSSL's memory buffers. Sans-IO.

Inputs are datagrams, time and application data; outputs are datagrams, keys and application data:

    NEW ──start──▶ HANDSHAKING ──Finished, fingerprint matches──▶ CONNECTED ──close_notify, close──▶ CLOSED
                        └───────── alert, other fingerprint, no SRTP profile ─────────────────────────▲

**Retransmission.** OpenSSL waits one second before it sends a flight again, far too long for a call, and offers no
knob here. So the last flight is kept and its very datagrams are sent again after 50 ms (libwebrtc's first timeout, and
1.5 round trips once one is measured), with back-off: a record that the client has seen it drops as a replay, one that
was lost it takes. The one thing that needs a fresh record, a repeated Finished that asks the server for its last
flight, OpenSSL still does by its own clock, which is asked each time the timer here fires.
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
from wire.drop import DropReason

MTU: Final = 1200
"""Largest datagram sent: what libwebrtc assumes, and small enough for any path with the relay's envelope."""
MAX_HANDSHAKE_BYTES: Final = 65_536
"""A handshake of a stock client receives 2 to 6 KB, retransmissions included."""

_FIRST_RETRANSMISSION_S: Final = 0.05
_LAST_RETRANSMISSION_S: Final = 0.5
_RETRANSMISSION_ROUND_TRIPS: Final = 1.5
_MAX_FINAL_FLIGHT_REPEATS: Final = 5
_RECORD_HEADER_BYTES: Final = 13
_CONTENT_TYPES: Final = range(20, 64)
_DTLS_MAJOR_VERSION: Final = 0xFE
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
    """

    def __init__(self, certificate: Certificate, role: DtlsRole, fingerprints: tuple[Fingerprint, ...]) -> None:
        self.role = role
        self.state = DtlsState.NEW
        self.keys: SrtpKeys | None = None
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
        self._handshake_bytes = 0
        self._flight: list[bytes] = []
        self._flight_sent_at = 0.0
        self._repeats = 0
        self._timeout_s = _FIRST_RETRANSMISSION_S
        self._next_timeout: float | None = None

    def start(self, now: float) -> None:
        """Begins the handshake: a client sends its ClientHello. Later calls do nothing."""
        if self.state is DtlsState.NEW:
            self.state = DtlsState.HANDSHAKING
            self._handshake(now)

    def receive(self, datagram: bytes, now: float) -> DropReason | None:
        """Takes a datagram from the client; a reason if it was not looked at."""
        if self.state is DtlsState.CLOSED:
            return DropReason.SESSION_CLOSED
        if not records_fit(datagram):
            return DropReason.MALFORMED_DTLS
        if self.state is not DtlsState.CONNECTED:
            self._handshake_bytes += len(datagram)
            if self._handshake_bytes > MAX_HANDSHAKE_BYTES:
                return DropReason.DTLS_BUDGET
        self.start(now)
        self._ssl.bio_write(datagram)
        if self.state is DtlsState.HANDSHAKING:
            self._handshake(now)
        if self.state is DtlsState.CONNECTED:
            self._read(now)
        return None

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
        return self._next_timeout

    def handle_timeout(self, now: float) -> None:
        """Sends the last flight again, if it is time."""
        if self._next_timeout is None or now < self._next_timeout:
            return
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

    def take_data(self) -> bytes | None:
        """The next application record of the client."""
        return self._received.popleft() if self._received else None

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
        self.keys = self._export_keys()
        if self.keys is None:
            self._refuse(CloseReason.DTLS_FAILED)
            return
        self.state = DtlsState.CONNECTED
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
        self.state = DtlsState.CLOSED
        self.close_reason = reason
        self._next_timeout = None
        self._flight = []

    def _drain(self) -> list[bytes]:
        try:
            return pack_records(self._ssl.bio_read(65_536))
        except SSL.WantReadError:
            return []


def records_fit(datagram: bytes) -> bool:
    """Whether a datagram is a row of whole DTLS records.

    RFC 6347 section 4.1, https://www.rfc-editor.org/rfc/rfc6347#section-4.1:

        content type 1 | version 2 | epoch 2 | sequence number 6 | length 2 | fragment
    """
    position = 0
    while position < len(datagram):
        if len(datagram) - position < _RECORD_HEADER_BYTES:
            return False
        if datagram[position] not in _CONTENT_TYPES or datagram[position + 1] != _DTLS_MAJOR_VERSION:
            return False
        position = _record_end(datagram, position)
    return position == len(datagram) and position > 0


def pack_records(records: bytes) -> list[bytes]:
    """Cuts what OpenSSL wrote into datagrams of whole records, at most MTU long.

    A memory buffer keeps no boundaries, and a flight in one piece could exceed the path's MTU.
    """
    datagrams: list[bytes] = []
    start = position = 0
    while position < len(records):
        end = _record_end(records, position)
        if end - start > MTU and position > start:
            datagrams.append(records[start:position])
            start = position
        position = end
    if start < len(records):
        datagrams.append(records[start:])
    return datagrams


def _record_end(records: bytes, position: int) -> int:
    length = int.from_bytes(records[position + 11 : position + 13], "big")
    return position + _RECORD_HEADER_BYTES + length
