"""This process's DTLS identity: one ECDSA P-256 key, its self-signed certificate and the TLS context made of them.

RFC 8827 section 6.5 (https://www.rfc-editor.org/rfc/rfc8827#section-6.5) asks every WebRTC endpoint to support such a
certificate. It lives as long as the process: what it is for is said in each answer, by its fingerprint.
"""

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

from transceiver.media_port.interface import SrtpProfile
from transceiver.sdp.credentials import Fingerprint

_LIFETIME = datetime.timedelta(days=30)
_CLOCK_SKEW = datetime.timedelta(days=1)
# Short, so that the ClientHello stays below three times the smallest connectivity check (see PathTable): AEAD first,
# CBC for clients that know nothing newer, RSA for certificates of clients that are old in that way.
_CIPHERS = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    b"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    b"ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA"
)


class Certificate:
    """Holds the context from which every DTLS connection of the process is made."""

    def __init__(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _self_signed(key)
        self.fingerprint = Fingerprint("sha-256", certificate.fingerprint(hashes.SHA256()))
        self.context = _context(key, certificate)


def _self_signed(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "offhook")])
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + _LIFETIME)
        .sign(key, hashes.SHA256())
    )


def _context(key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> SSL.Context:
    context = SSL.Context(SSL.DTLS_METHOD)
    # The certificate is checked against the fingerprint of the offer after the handshake, not against an authority.
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
    context.use_privatekey(key)
    context.use_certificate(certificate)
    context.set_cipher_list(_CIPHERS)
    context.set_tlsext_use_srtp(":".join(SrtpProfile).encode())
    context.set_options(SSL.OP_NO_QUERY_MTU | SSL.OP_NO_TICKET | SSL.OP_NO_RENEGOTIATION)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    # 80 KB per connection become 67.
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    return context
