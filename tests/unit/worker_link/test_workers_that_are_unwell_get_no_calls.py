"""grpc.health.v1 is watched: NOT_SERVING keeps new calls away and leaves open ones alone, SERVING brings calls back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from offhook_proto.worker.v1.worker_pb2_grpc import add_WorkerServiceServicer_to_server

from tests.support.moody_worker import SICK_FILE
from tests.support.worker_scene import (
    HandWorker,
    RecordingListener,
    hello,
    open_session,
    pool_of,
    until,
    worker_process,
)
from transceiver.worker_link import NoCapacity, WorkerLinkSettings

SERVING, NOT_SERVING, SERVICE_UNKNOWN = b"\x08\x01", b"\x08\x02", b"\x08\x03"


async def test_a_worker_is_left_alone_while_it_is_unwell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sick = tmp_path / "sick"
    monkeypatch.setenv(SICK_FILE, str(sick))
    sick.touch()
    moody = "tests.support.moody_worker:MoodyEcho"
    async with worker_process(tmp_path, moody) as worker, pool_of([worker.address], ready=0) as pool:
        await until(lambda: pool.counters.streams_opened == 1)
        with pytest.raises(NoCapacity):
            await open_session(pool, RecordingListener())

        sick.unlink()
        await until(lambda: pool.ready_workers == 1)
        heard = RecordingListener()
        session = await open_session(pool, heard)

        sick.touch()
        await until(lambda: pool.ready_workers == 0)
        with pytest.raises(NoCapacity):
            await open_session(pool, RecordingListener())
        session.send_audio(b"frame", 0, 20_000)
        await until(lambda: bool(heard.frames))

        sick.unlink()
        await until(lambda: pool.ready_workers == 1)
        await open_session(pool, RecordingListener())
        assert pool.counters.streams_opened == 1
        assert heard.lost == []


@asynccontextmanager
async def worker_with_health(**statuses: bytes | None) -> AsyncIterator[str]:
    """A worker by hand and a health service that says this of the worker's service and of the server as a whole."""

    async def watch(request: bytes, _context: object) -> AsyncIterator[bytes]:
        status = statuses["service" if request else "server"]
        if status is not None:
            yield status
        await asyncio.Event().wait()

    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    add_WorkerServiceServicer_to_server(HandWorker(hello("echo")), server)
    health = grpc.method_handlers_generic_handler(
        "grpc.health.v1.Health", {"Watch": grpc.unary_stream_rpc_method_handler(watch)}
    )
    server.add_generic_rpc_handlers((health,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


@pytest.mark.parametrize(
    ("service", "server", "is_ready"),
    [
        pytest.param(SERVING, NOT_SERVING, True, id="the-service-counts"),
        pytest.param(NOT_SERVING, SERVING, False, id="the-service-does-not-serve"),
        pytest.param(SERVICE_UNKNOWN, SERVING, True, id="only-the-server-is-known"),
        pytest.param(SERVICE_UNKNOWN, NOT_SERVING, False, id="only-the-server-is-known-and-does-not-serve"),
        pytest.param(None, None, True, id="nothing-is-said"),
    ],
)
async def test_any_health_service_is_understood(service: bytes | None, server: bytes | None, is_ready: bool) -> None:
    settings = WorkerLinkSettings(hello_timeout_s=0.5)
    async with (
        worker_with_health(service=service, server=server) as address,
        pool_of([address], settings, ready=0) as pool,
    ):
        await until(lambda: pool.counters.streams_opened == 1)
        if is_ready:
            await until(lambda: pool.ready_workers == 1)
        else:
            await asyncio.sleep(settings.hello_timeout_s + 0.2)
            assert pool.ready_workers == 0
