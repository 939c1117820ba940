"""A worker that dies or freezes: every one of its sessions hears it, once, and a new worker is found."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.support.worker_scene import (
    FRAME_US,
    RecordingListener,
    WorkerProcess,
    open_session,
    pool_of,
    until,
    worker_process,
)
from transceiver.worker_link import LinkDrop, LostReason, NoCapacity, WorkerPool, WorkerSession


async def _talking_session(pool: WorkerPool, listener: RecordingListener) -> WorkerSession:
    session = await open_session(pool, listener)
    session.send_audio(b"frame", 0, FRAME_US)
    await until(lambda: len(listener.frames) == 1)
    return session


@pytest.mark.parametrize(
    ("signal_number", "reason"),
    [(signal.SIGKILL, LostReason.STREAM_ENDED), (signal.SIGSTOP, LostReason.PING_TIMEOUT)],
    ids=["killed", "frozen"],
)
async def test_every_session_hears_it_once(tmp_path: Path, signal_number: signal.Signals, reason: LostReason) -> None:
    async with worker_process(tmp_path) as worker, pool_of([worker.address]) as pool:
        listeners = [RecordingListener() for _ in range(3)]
        sessions = [await _talking_session(pool, listener) for listener in listeners]
        os.kill(worker.process.pid, signal_number)
        began = time.monotonic()
        await until(lambda: all(listener.lost for listener in listeners))
        # Printed rather than asserted: the exact bound is tested in virtual time, this machine may be busy.
        print(f"{signal_number.name}: noticed after {time.monotonic() - began:.2f} s")

        assert all(listener.lost == [reason] and listener.ends == 0 for listener in listeners)
        assert pool.counters.sessions_lost[reason] == 3
        assert pool.ready_workers == 0
        for session in sessions:
            session.send_audio(b"late", FRAME_US, FRAME_US)
        assert pool.counters.drops[LinkDrop.SESSION_CLOSED] == 3
        with pytest.raises(NoCapacity):
            await open_session(pool, RecordingListener())


async def test_a_restarted_worker_is_used_again(tmp_path: Path) -> None:
    async with worker_process(tmp_path) as worker, pool_of([worker.address]) as pool:
        listener = RecordingListener()
        await _talking_session(pool, listener)
        await worker.kill()
        await until(lambda: bool(listener.lost))
        second = await WorkerProcess.start(worker.address)
        try:
            await until(lambda: pool.ready_workers == 1)
            await _talking_session(pool, RecordingListener())
        finally:
            await second.kill()


async def test_a_thawed_worker_is_used_again(tmp_path: Path) -> None:
    async with worker_process(tmp_path) as worker, pool_of([worker.address]) as pool:
        listener = RecordingListener()
        await _talking_session(pool, listener)
        os.kill(worker.process.pid, signal.SIGSTOP)
        await until(lambda: bool(listener.lost))
        os.kill(worker.process.pid, signal.SIGCONT)
        await until(lambda: pool.ready_workers == 1)
        await _talking_session(pool, RecordingListener())


async def test_stopping_the_pool_ends_its_sessions(tmp_path: Path) -> None:
    async with worker_process(tmp_path) as worker, pool_of([worker.address]) as pool:
        listener = RecordingListener()
        await _talking_session(pool, listener)
        await pool.stop()
        assert listener.lost == [LostReason.STOPPED]
