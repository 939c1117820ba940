"""The worker link by TLS: both sides prove who they are, strangers stay out, renewed certificates need no restart."""

import asyncio
from pathlib import Path

import pytest
from offhook_worker import ServeOptions, TlsFiles
from offhook_worker.echo import EchoWorker
from pydantic import ValidationError

from tests.support.authority import Authority
from tests.support.worker_scene import DEADLINE_S, RecordingListener, open_session, pool_of, serving, until
from transceiver.worker_link import WorkerLinkSettings

WORKER, TRANSCEIVER = "worker.test", "transceiver.test"


def serve_options(authority: Authority, directory: Path) -> ServeOptions:
    certificate, key = authority.issue(WORKER, directory)
    return ServeOptions(tls=TlsFiles(certificate, key, authority.write(directory / "ca.crt")))


def link_settings(authority: Authority, directory: Path, *, with_certificate: bool = True) -> WorkerLinkSettings:
    certificate, key = authority.issue(TRANSCEIVER, directory) if with_certificate else (None, None)
    return WorkerLinkSettings(
        tls_ca_file=authority.write(directory / "link-ca.crt"),
        tls_certificate_file=certificate,
        tls_key_file=key,
        tls_server_name=WORKER,
        reconnect_max_s=0.2,
    )


async def test_a_call_goes_over_mutual_tls(tmp_path: Path) -> None:
    authority, heard = Authority(), RecordingListener()
    async with (
        serving(EchoWorker(), serve_options(authority, tmp_path)) as (_, address),
        pool_of([address], link_settings(authority, tmp_path)) as pool,
    ):
        session = await open_session(pool, heard)
        session.send_audio(b"frame", 0, 20_000)
        await until(lambda: bool(heard.frames))


@pytest.mark.parametrize("stranger", ["without-certificate", "of-another-authority", "in-the-clear"])
async def test_a_stranger_gets_no_stream(stranger: str, tmp_path: Path) -> None:
    authority, other = Authority(), tmp_path / "other"
    other.mkdir()
    settings = {
        "without-certificate": link_settings(authority, tmp_path, with_certificate=False),
        "of-another-authority": link_settings(Authority("another"), other),
        "in-the-clear": WorkerLinkSettings(reconnect_max_s=0.2),
    }[stranger]
    async with (
        serving(EchoWorker(), serve_options(authority, tmp_path)) as (server, address),
        pool_of([address], settings, ready=0) as pool,
    ):
        await until(lambda: pool.counters.connect_failures >= 2)
        assert pool.ready_workers == 0
        assert server.counters.streams_opened == 0


async def test_renewed_certificates_are_read_without_a_restart(tmp_path: Path) -> None:
    authority = Authority()
    async with serving(EchoWorker(), serve_options(authority, tmp_path)) as (server, address):
        async with pool_of([address], link_settings(authority, tmp_path)):
            pass
        renewed = Authority("renewed")
        serve_options(renewed, tmp_path)
        async with pool_of([address], link_settings(renewed, tmp_path)) as pool:
            assert pool.ready_workers == 1
        assert server.counters.streams_opened == 2


async def test_a_missing_file_is_waited_for(tmp_path: Path) -> None:
    authority = Authority()
    settings = link_settings(authority, tmp_path)
    assert settings.tls_key_file is not None
    key = settings.tls_key_file.read_bytes()
    settings.tls_key_file.unlink()
    async with (
        serving(EchoWorker(), serve_options(authority, tmp_path)) as (_, address),
        pool_of([address], settings, ready=0) as pool,
    ):
        await asyncio.sleep(0.05)
        settings.tls_key_file.write_bytes(key)
        async with asyncio.timeout(DEADLINE_S):
            await pool.wait_ready()


def test_half_a_configuration_is_refused() -> None:
    with pytest.raises(ValidationError, match="both or neither"):
        WorkerLinkSettings(tls_ca_file=Path("ca"), tls_certificate_file=Path("cert"))
    with pytest.raises(ValidationError, match="tls_ca_file"):
        WorkerLinkSettings(tls_server_name="worker.test")
