"""Turn detection on a WebSocket is switched off and on again: nothing is detected in between, and everything after."""

from pathlib import Path

import pytest

pytest.importorskip("offhook_datapath", reason="the native module is not built here")

from tests.support.socket_scene import BY_HAND, connected, parrot_house
from tests.support.speech import frames_of_speech

SILENCE = bytes(48_000 * 2)


async def test_off_and_on_again(tmp_path: Path) -> None:
    spoken = b"".join(frames_of_speech("PCM24")[:100])
    detected = {"audio": {"input": {"turn_detection": {"type": "server_vad", "create_response": False}}}}
    async with parrot_house(tmp_path) as house, connected(house) as client:
        for round_of in range(2):
            await client.configure(**BY_HAND)
            await client.append(spoken + SILENCE)
            await client.send("input_audio_buffer.commit")
            committed = await client.event("input_audio_buffer.committed")
            kinds = [event["type"] for event in client.events]
            assert kinds.count("input_audio_buffer.speech_started") == round_of
            await client.configure(**detected)
            await client.append(spoken + SILENCE)
            started = await client.event("input_audio_buffer.speech_started")
            stopped = await client.event("input_audio_buffer.speech_stopped")
            # Media time has gone on while nobody listened: four seconds by hand, and four each round before.
            begin_ms = 4000 + 8000 * round_of
            assert begin_ms - 500 <= started["audio_start_ms"] < begin_ms + 2000
            assert begin_ms + 1000 < stopped["audio_end_ms"] <= begin_ms + 4000
            assert (await client.event("input_audio_buffer.committed"))["previous_item_id"] == committed["item_id"]
