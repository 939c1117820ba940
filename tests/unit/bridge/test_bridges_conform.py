"""`offhook worker check` on the bridges: whatever is behind them, they are workers like any other."""

import asyncio
from pathlib import Path

import pytest
from offhook_worker import ServeOptions, VoiceWorker
from offhook_worker.bridge.cascade import CascadeBridge
from offhook_worker.bridge.realtime.worker import RealtimeBridge
from offhook_worker.bridge.settings import RealtimeServer
from offhook_worker.check import CheckOptions, Status, check_worker

from tests.support.bridge_scene import remote
from tests.support.http_scene import KEY
from tests.support.openai_server import openai_server
from tests.support.upstream_worker import Upstream
from tests.support.whole_transceiver import config, whole_transceiver
from tests.support.worker_scene import serving


async def passed(worker: VoiceWorker) -> set[str]:
    """What the check finds in order; it finds nothing else."""
    async with serving(worker, ServeOptions()) as (_, address):
        findings = await check_worker(address, CheckOptions(sessions=4))
    failed = [f"{each.check}: {each.found}" for each in findings if each.status is Status.FAILED]
    assert not failed
    return {each.check for each in findings if each.status is Status.OK}


async def cascade() -> set[str]:
    async with openai_server() as server:
        server.transcripts.extend(["Hello there."] * 50)
        return await passed(CascadeBridge(remote(server.url), Path("/nonexistent")))


async def realtime(directory: Path) -> set[str]:
    async with (
        serving(Upstream()) as (_, address),
        whole_transceiver(config(directory, workers=(address,)), directory) as transceiver,
    ):
        server = RealtimeServer(url=transceiver.http, model="upstream", api_key_env="UPSTREAM_KEY")
        return await passed(RealtimeBridge(server))


@pytest.mark.timeout(120)
async def test_both_bridges_conform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPSTREAM_KEY", KEY)
    for found in await asyncio.gather(cascade(), realtime(tmp_path)):
        assert {"answer", "interruption", "functions", "transcription", "written answers", "seats"} <= found
