"""TLS before a fabric that speaks plain HTTP, as an ingress would: some clients know no other way."""

import asyncio
import datetime
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.authority import Authority

HOST = "127.0.0.1"
CHUNK_BYTES = 65_536


@dataclass(frozen=True)
class TlsFront:
    """Where it listens, and the certificate that its clients must trust."""

    https: str
    certificate: Path


@contextmanager
def tls_front(backend: str, directory: Path, *, authority: Authority | None = None) -> Iterator[TlsFront]:
    """Terminates TLS before `backend` (http://HOST:PORT), in a thread of its own.

    The certificate is its own authority; some clients take none like that: with `authority` it is one for `localhost`.
    """
    if authority is None:
        certificate, key = make_certificate(directory)
        host, trusted = HOST, certificate
    else:
        certificate, key = authority.issue("localhost", directory)
        host, trusted = "localhost", authority.write(directory / "authority.crt")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    loop = asyncio.new_event_loop()
    address = urlsplit(backend)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            to_reader, to_writer = await asyncio.open_connection(address.hostname, address.port)
            await asyncio.gather(_pump(reader, to_writer), _pump(to_reader, writer))

    thread = threading.Thread(target=loop.run_forever, name="tls-front", daemon=True)
    thread.start()
    started = asyncio.run_coroutine_threadsafe(asyncio.start_server(connected, HOST, 0, ssl=context), loop)
    server = started.result()
    try:
        yield TlsFront(f"https://{host}:{server.sockets[0].getsockname()[1]}", trusted)
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
    with suppress(OSError):
        writer.close()
        await writer.wait_closed()


async def _end(server: asyncio.Server) -> None:
    server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def make_certificate(directory: Path) -> tuple[Path, Path]:
    """A self-signed certificate for HOST, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "offhook test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_path, key_path = directory / "certificate.pem", directory / "key.pem"
    certificate_path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate_path, key_path
