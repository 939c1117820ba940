"""Frames of all sessions travel together, and each session hears its own and no other's."""

import asyncio
from functools import partial
from pathlib import Path

from tests.support.worker_scene import FRAME_US, RecordingListener, open_session, pool_of, until, worker_process

SESSIONS = 60
ROUNDS = 10


def all_heard(listeners: list[RecordingListener], frames: int) -> bool:
    return all(len(each.frames) == frames for each in listeners)


async def test_sixty_echoed_sessions_use_one_message_per_round(tmp_path: Path) -> None:
    async with worker_process(tmp_path, "echo", "--max-sessions", "100") as worker, pool_of([worker.address]) as pool:
        listeners = [RecordingListener() for _ in range(SESSIONS)]
        sessions = await asyncio.gather(*(open_session(pool, listener) for listener in listeners))
        before = pool.counters.messages_sent, pool.counters.messages_received
        for index in range(ROUNDS):
            for number, session in enumerate(sessions):
                session.send_audio(b"%d/%d" % (number, index), index * FRAME_US, FRAME_US, level=number)
            await until(partial(all_heard, listeners, index + 1))

        for number, listener in enumerate(listeners):
            assert [frame.payload for frame in listener.frames] == [b"%d/%d" % (number, i) for i in range(ROUNDS)]
            assert [frame.media_time_us for frame in listener.frames] == [i * FRAME_US for i in range(ROUNDS)]
        assert pool.counters.audio_frames_sent == pool.counters.audio_frames_received == SESSIONS * ROUNDS
        # Besides one message a round there are pings and load reports: tens of messages, not six hundred.
        assert pool.counters.messages_sent - before[0] < SESSIONS * ROUNDS / 6
        assert pool.counters.messages_received - before[1] < SESSIONS * ROUNDS / 4


async def test_control_does_not_wait_for_the_tick(tmp_path: Path) -> None:
    async with worker_process(tmp_path) as worker, pool_of([worker.address]) as pool:
        listener = RecordingListener()
        session = await open_session(pool, listener)
        sent = pool.counters.inputs_sent
        session.send_audio(b"frame", 0, FRAME_US)
        session.send_text("item_1", "hello")
        messages = pool.counters.messages_sent
        await until(lambda: pool.counters.inputs_sent == sent + 2)
        assert pool.counters.messages_sent == messages + 1
