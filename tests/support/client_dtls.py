"""DTLS-SRTP of the test client, on pyOpenSSL and pylibsrtp. Sans-IO, and written apart from the code under test."""

import datetime

import pylibsrtp
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

MTU = 1200
REPEAT_S = 0.1
MAX_REPEATS = 40
_PROFILES = {
    b"SRTP_AEAD_AES_128_GCM": (pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 16, 12),
    b"SRTP_AEAD_AES_256_GCM": (pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 32, 12),
    b"SRTP_AES128_CM_SHA1_80": (pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 16, 14),
}


class ClientIdentity:
    """A certificate and a context; one may serve many clients, as making them is slow."""

    def __init__(self, profiles: bytes = b":".join(_PROFILES)) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "client")])
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .sign(key, hashes.SHA256())
        )
        self.fingerprint = certificate.fingerprint(hashes.SHA256()).hex(":").upper()
        self.context = SSL.Context(SSL.DTLS_METHOD)
        self.context.set_verify(SSL.VERIFY_PEER, lambda *_: True)
        self.context.use_privatekey(key)
        self.context.use_certificate(certificate)
        self.context.set_tlsext_use_srtp(profiles)
        self.context.set_options(SSL.OP_NO_QUERY_MTU)


class ClientDtls:
    """One association with its SRTP sessions.

    OpenSSL's retransmission runs on the wall clock. In virtual time the last flight is repeated here instead, byte for
    byte, until the other side has moved on.
    """

    def __init__(self, identity: ClientIdentity, *, client: bool, remote_fingerprint: str) -> None:
        self.established = False
        self.closed_by_remote = False
        self.application_data: list[bytes] = []
        self.profile = b""
        self._remote_fingerprint = remote_fingerprint.lower().replace(":", "")
        self._client = client
        self._ssl = SSL.Connection(identity.context)
        self._ssl.set_ciphertext_mtu(MTU)
        if client:
            self._ssl.set_connect_state()
        else:
            self._ssl.set_accept_state()
        self._out: list[bytes] = []
        self._flight: list[bytes] = []
        self._repeats = 0
        self._next_repeat: float | None = None

    def start(self, now: float) -> None:
        self._handshake(now)

    def receive(self, datagram: bytes, now: float) -> None:
        self._ssl.bio_write(datagram)
        if not self.established:
            self._handshake(now)
        if self.established:
            self._read()

    def next_timeout(self) -> float | None:
        return self._next_repeat

    def handle_timeout(self, now: float) -> None:
        if self._next_repeat is None or now < self._next_repeat:
            return
        self._repeats += 1
        self._next_repeat = now + REPEAT_S if self._repeats < MAX_REPEATS else None
        self._out += self._flight

    def settle(self) -> None:
        """The other side has our last flight."""
        self._next_repeat = None

    def send(self, data: bytes) -> None:
        self._ssl.send(data)
        self._out += self._drain()

    def close(self) -> None:
        self._ssl.shutdown()
        self._out += self._drain()

    def take_datagrams(self) -> list[bytes]:
        out, self._out = self._out, []
        return out

    def _handshake(self, now: float) -> None:
        try:
            self._ssl.do_handshake()
        except SSL.WantReadError:
            pass
        else:
            certificate = self._ssl.get_peer_certificate(as_cryptography=True)
            assert certificate is not None
            assert certificate.fingerprint(hashes.SHA256()).hex() == self._remote_fingerprint
            self._start_srtp()
            self.established = True
        flight = self._drain()
        if flight:
            self._flight, self._repeats = flight, 0
            self._next_repeat = now + REPEAT_S
            self._out += flight
        if self.established and self._client:
            self._next_repeat = None

    def _start_srtp(self) -> None:
        self.profile = self._ssl.get_selected_srtp_profile()
        if not self.profile:
            return  # nothing in common; the other side will see that too
        profile, key, salt = _PROFILES[self.profile]
        material = self._ssl.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * (key + salt))
        first = material[:key] + material[2 * key : 2 * key + salt]
        second = material[key : 2 * key] + material[2 * key + salt :]
        outbound, inbound = (first, second) if self._client else (second, first)
        any_in, any_out = pylibsrtp.Policy.SSRC_ANY_INBOUND, pylibsrtp.Policy.SSRC_ANY_OUTBOUND
        self.inbound = pylibsrtp.Session(pylibsrtp.Policy(key=inbound, ssrc_type=any_in, srtp_profile=profile))
        self.outbound = pylibsrtp.Session(pylibsrtp.Policy(key=outbound, ssrc_type=any_out, srtp_profile=profile))

    def _read(self) -> None:
        try:
            while True:
                self.application_data.append(self._ssl.recv(4096))
        except SSL.WantReadError:
            self._out += self._drain()
        except SSL.ZeroReturnError:
            self.closed_by_remote = True

    def _drain(self) -> list[bytes]:
        """What OpenSSL wrote, in datagrams of whole records as a stock client packs them."""
        datagrams: list[bytes] = []
        try:
            records = self._ssl.bio_read(65_536)
        except SSL.WantReadError:
            return datagrams
        while records:
            end = 13 + int.from_bytes(records[11:13], "big")
            if datagrams and len(datagrams[-1]) + end <= MTU:
                datagrams[-1] += records[:end]
            else:
                datagrams.append(records[:end])
            records = records[end:]
        return datagrams
