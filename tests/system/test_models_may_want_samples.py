"""A model that takes and gives samples serves clients of every codec: real speech goes through it and comes back."""

from collections.abc import Iterator

import pytest

from tests.support.fabric import Fabric, running_fabric
from tests.support.live_caller import LiveCaller
from tests.support.speech import CLOCK_RATES, decode, frames_of_speech, likeness, speech
from tests.support.webrtc_client import LEVEL_ID, ClientOptions

PAYLOAD_TYPES = {"opus": 111, "PCMU": 0, "PCMA": 8}
SECONDS = 2.0
FRAMES = int(SECONDS / 0.02)


@pytest.fixture(scope="module")
def fabric() -> Iterator[Fabric]:
    with running_fabric("--relays", "1", "--transceivers", "1", "--workers", "1", "--worker", "pcm-echo") as fabric:
        yield fabric


@pytest.mark.parametrize(
    ("codec", "rate"),
    [("opus", 8_000), ("opus", 16_000), ("opus", 24_000), ("opus", 48_000), ("PCMU", 24_000), ("PCMA", 16_000)],
)
async def test_speech_comes_back_through_samples(fabric: Fabric, codec: str, rate: int) -> None:
    async with LiveCaller(fabric, ClientOptions(payload_type=PAYLOAD_TYPES[codec])) as caller:
        await caller.call(path=f"/v1/realtime/calls?model=pcm-echo-{rate}")
        await caller.say(frames_of_speech(codec)[:FRAMES], CLOCK_RATES[codec] // 50)
        await caller.until(lambda: len(caller.heard) >= FRAMES - 5, "the echo of nearly all frames")
    heard = decode(codec, caller.heard)
    alike = likeness(heard, speech(), longest_lag_ms=300)
    print(f"{codec} through samples at {rate} Hz: likeness {alike:.3f}, {len(caller.heard)} frames")
    # RFC 6464: how loud each frame is, with a flag where it is voice.
    levels = [audio.extension.partition(bytes([LEVEL_ID << 4]))[2][0] for audio in caller.client.audio]
    assert any(level & 0x80 for level in levels)
    # What a busy machine holds up is concealed first and heard then, which moves the rest.
    assert alike > 0.7
