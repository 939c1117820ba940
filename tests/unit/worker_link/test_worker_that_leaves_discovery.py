"""A worker that discovery no longer names: its calls go on to their end, no new one comes, nobody dials it again."""

import asyncio
import random
from pathlib import Path

from offhook_proto.worker.v1 import worker_pb2 as pb

from tests.support.worker_scene import DEADLINE_S, OPUS, RecordingListener, until, worker_process
from transceiver.worker_link import LinkCounters, WorkerLinkSettings, WorkerSession
from transceiver.worker_link.link import Declined, WorkerLink


async def test_its_link_ends_with_its_last_call(tmp_path: Path) -> None:
    async with worker_process(tmp_path) as worker:
        link = WorkerLink(
            worker.address,
            "transceiver-under-test",
            WorkerLinkSettings(),
            LinkCounters(),
            on_change=lambda: None,
            rng=random.Random(1),
        )
        task = link.start()
        await until(lambda: link.stream is not None)
        opening = pb.SessionOpen(model="echo", input_format=OPUS, output_format=OPUS, output_credit_ms=1000)
        heard = RecordingListener()
        session = await link.open(opening, heard)
        assert isinstance(session, WorkerSession)

        link.retire()
        assert isinstance(await link.open(opening, RecordingListener()), Declined)
        session.send_audio(b"frame", 0, 20_000)
        await until(lambda: bool(heard.frames))
        assert not task.done()

        session.close(pb.SessionClose.REASON_CLIENT_HANGUP)
        async with asyncio.timeout(DEADLINE_S):
            await task
        assert heard.lost == []
