"""A caller of one fabric talks with the voice agent of another, through the realtime bridge between them."""

from pathlib import Path

import numpy as np
import pytest
from offhook_worker import ServeOptions
from offhook_worker.agent.worker import VoiceAgent
from offhook_worker.bridge.realtime.worker import RealtimeBridge
from offhook_worker.bridge.settings import RealtimeServer
from offhook_worker.samples import to_pcm

from offhook.models.store import models_directory
from tests.support.agent_models import need_models
from tests.support.agent_scene import heard, resample, spoken
from tests.support.http_scene import KEY
from tests.support.socket_scene import BY_HAND, connected
from tests.support.whole_transceiver import config, whole_transceiver
from tests.support.worker_scene import serving


@pytest.mark.timeout(120)
async def test_a_spoken_question_is_answered_two_fabrics_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need_models()
    monkeypatch.setenv("UPSTREAM_KEY", KEY)
    here, there = tmp_path / "here", tmp_path / "there"
    for directory in (here, there):
        directory.mkdir()
    samples = np.frombuffer(spoken("What is two plus three?"), "<i2").astype(np.float32) / np.float32(32768)
    question = to_pcm(resample(samples, 16_000, 24_000))
    async with (
        serving(VoiceAgent(models_directory()), ServeOptions(peer_timeout_s=60)) as (_, agent),
        whole_transceiver(config(there, workers=(agent,)), there) as upstream,
    ):
        server = RealtimeServer(url=upstream.http, model="agent", api_key_env="UPSTREAM_KEY")
        async with (
            serving(RealtimeBridge(server), ServeOptions(peer_timeout_s=60)) as (_, bridge),
            whole_transceiver(config(here, workers=(bridge,)), here) as transceiver,
            connected(transceiver, "model=realtime") as client,
        ):
            transcribed = {"audio": {"input": {**BY_HAND["audio"]["input"], "transcription": {"model": "any"}}}}
            await client.configure(**transcribed)
            await client.append(question)
            await client.send("input_audio_buffer.commit")
            await client.send("response.create")
            done = await client.event("response.done")
            audio = client.audio()
            completed = "conversation.item.input_audio_transcription.completed"
            written = [each for each in client.events if each["type"] == completed] or [await client.event(completed)]
    assert done["response"]["status"] == "completed"
    assert done["response"]["output"][0]["content"][0]["transcript"] == "2 plus 3 is 5."
    assert "two plus three" in written[0]["transcript"].lower() or "2 plus 3" in written[0]["transcript"].lower()
    assert "5" in heard(audio) or "five" in heard(audio).lower()
