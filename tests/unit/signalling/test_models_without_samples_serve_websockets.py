"""Models that speak only Opus or only G.711, on a connection whose events carry PCM or G.711: speech comes through."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from offhook_worker import Audio, Capability, Model, Output, ResponseDone, ServeOptions, Session, VoiceWorker
from offhook_worker.events import ResponseRequested
from offhook_worker.model import OPUS, PCMA, PCMU

pytest.importorskip("offhook_datapath", reason="the native module is not built here")

from tests.support.socket_scene import BY_HAND, SocketClient, connected
from tests.support.speech import decode, frames_of_speech, likeness, speech
from tests.support.whole_transceiver import WholeTransceiver, config, whole_transceiver
from tests.support.worker_scene import serving

FORMATS = {"opus": OPUS, "PCMU": PCMU, "PCMA": PCMA}
SECONDS = 3


class CodedParrot(VoiceWorker):
    """Says back the frames that it heard, as they are: it knows nothing of samples."""

    models = tuple(Model(name, (each,), (each,), frozenset({Capability.TEXT_OUTPUT})) for name, each in FORMATS.items())

    async def on_session(self, session: Session) -> AsyncIterator[Output]:
        heard: list[Audio] = []
        async for event in session:
            if isinstance(event, Audio):
                heard.append(event)
            elif isinstance(event, ResponseRequested):
                for frame in heard:
                    yield replace(frame, response_id=event.response_id, level_dbov=None)
                heard.clear()
                yield ResponseDone(event.response_id)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[WholeTransceiver]:
    async with (
        serving(CodedParrot(), ServeOptions()) as (_, address),
        whole_transceiver(config(tmp_path, workers=(address,)), tmp_path) as transceiver,
    ):
        yield transceiver


async def answer(client: SocketClient) -> bytes:
    """What the model says to what has been appended."""
    await client.send("input_audio_buffer.commit")
    await client.send("response.create")
    assert (await client.event("response.done"))["response"]["status"] == "completed"
    return client.audio()


@pytest.mark.parametrize("model", FORMATS)
@pytest.mark.parametrize(("kind", "codec"), [("pcm", "PCM24"), ("pcmu", "PCMU")])
async def test_speech_comes_through_both_conversions(
    house: WholeTransceiver, model: str, kind: str, codec: str, show: Callable[[str], None]
) -> None:
    frames = frames_of_speech(codec)[: SECONDS * 50]
    frame_bytes, sent = len(frames[0]), b"".join(frames)
    async with connected(house, f"model={model}") as client:
        audio_format = {"type": f"audio/{kind}"}
        audio = {"input": {"turn_detection": None, "format": audio_format}, "output": {"format": audio_format}}
        await client.configure(audio=audio)
        for begin in range(0, len(sent), 7_002):
            await client.append(sent[begin : begin + 7_002])
        heard = await answer(client)
        assert abs(len(heard) - len(sent)) <= 2 * frame_bytes
        pieces = [heard[begin : begin + frame_bytes] for begin in range(0, len(heard), frame_bytes)]
        alike = likeness(decode(codec, pieces), speech(), longest_lag_ms=80)
        show(f"{codec} to a model of {model}: likeness {alike:.3f}")
        assert alike > 0.9


@pytest.mark.parametrize("model", FORMATS)
async def test_what_fills_no_frame_is_heard_before_the_commit(house: WholeTransceiver, model: str) -> None:
    async with connected(house, f"model={model}") as client:
        await client.configure(**BY_HAND)
        # 110 ms: Opus makes frames of 20 ms of it, the last one half silence.
        await client.append(bytes(48 * 110))
        heard = await answer(client)
        assert len(heard) == 48 * (120 if model == "opus" else 110)
        # What comes later begins a frame of its own.
        await client.append(bytes(48 * 100))
        assert len(await answer(client)) - len(heard) == 48 * 100
