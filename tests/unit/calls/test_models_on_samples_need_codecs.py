"""A model that works on samples, asked for where the native module with the codecs is missing."""

from pathlib import Path

import aiohttp
import pytest
from offhook_worker.pcm_echo import PcmEchoWorker

from tests.support.webrtc_client import WebRtcClient
from tests.support.whole_transceiver import CALLS, config, whole_transceiver
from tests.support.worker_scene import serving
from transceiver import service
from transceiver.audio.support import NoAudio


async def test_the_caller_is_told_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "open_audio", lambda settings: NoAudio())
    worker = f"unix:{tmp_path}/worker.sock"
    async with (
        serving(PcmEchoWorker(), address=worker),
        whole_transceiver(config(tmp_path, workers=(worker,)), tmp_path) as made,
        aiohttp.ClientSession(headers={**made.headers, "Content-Type": "application/sdp"}) as client,
        client.post(f"{made.http}{CALLS}?model=pcm-echo", data=WebRtcClient().offer()) as answer,
    ):
        assert answer.status == 400
        error = (await answer.json())["error"]
    assert (error["code"], error["param"]) == ("audio_unavailable", "model")
    assert "native module" in error["message"]
