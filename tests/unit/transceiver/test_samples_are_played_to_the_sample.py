"""A model's samples leave in frames at the wire clock, and what was played is told to the sample."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from offhook_datapath import AudioDecoder, decode_audio

from tests.support.speech import decode, from_bytes, likeness, speech, to_bytes
from tests.support.wire_clock import WireClock
from transceiver.audio.interface import Audio, Playout
from transceiver.audio.settings import AudioSettings
from transceiver.audio.support import open_audio
from transceiver.sdp.reception import Reception

RATE = 16_000
DEADLINE_S = 20.0


@contextmanager
def codecs() -> Iterator[Audio]:
    audio = open_audio(AudioSettings())
    try:
        yield audio
    finally:
        audio.close()


class Player:
    """Plays at a clock that runs as fast as the codec threads do."""

    def __init__(self, audio: Audio, codec: str, *, max_buffered_ms: int = 10_000, fraction_lost: float = 0.0) -> None:
        self.ready = asyncio.Event()
        self.playout: Playout = audio.open_playout(
            codec,
            RATE,
            max_buffered_ms=max_buffered_ms,
            ready=self.ready.set,
            reception=Reception(fec=True),
            fraction_lost=lambda: fraction_lost,
        )
        self.clock = WireClock(self.playout, asyncio.get_running_loop().time() + 3600)

    @property
    def frames(self) -> list[bytes]:
        return [frame.payload for _, frame in self.clock.left]

    def say(self, samples: bytes, *, at_us: int = 0, response_id: str = "r1") -> bool:
        now = asyncio.get_running_loop().time()
        return self.playout.push(samples, media_time_us=at_us, duration_us=0, now=now, response_id=response_id)

    async def play(self, frames: int = 1 << 30) -> None:
        """Until so many have left, or all."""
        wanted = len(self.frames) + frames
        async with asyncio.timeout(DEADLINE_S):
            while len(self.frames) < wanted:
                if self.clock.next_at is not None:
                    self.clock.step()
                elif self.playout.buffered_ms == 0:
                    return
                else:
                    self.ready.clear()
                    await self.ready.wait()

    def flush(self, response_id: str) -> int:
        self.clock.take_back()
        return self.playout.flush(response_id)


@pytest.mark.parametrize("codec", ["opus", "PCMU", "PCMA"])
@pytest.mark.parametrize("chunk", [160, 320, 777, 16_000])
async def test_chunks_of_any_length_become_frames_of_20_ms(codec: str, chunk: int) -> None:
    samples = to_bytes(speech()[: 2 * RATE])
    with codecs() as audio:
        player = Player(audio, codec)
        for start in range(0, len(samples), 2 * chunk):
            assert player.say(samples[start : start + 2 * chunk], at_us=start // 2 * 1_000_000 // RATE)
        assert player.playout.buffered_ms == 2000
        await player.play()
        assert player.playout.played_us("r1") == 2_000_000
        assert len(player.frames) == 100
        assert player.playout.take_played_ms(at_least=1) == 2000
    assert likeness(decode(codec, player.frames), speech()) > 0.9


async def test_what_fills_no_frame_is_padded_and_the_padding_does_not_count() -> None:
    with codecs() as audio:
        player = Player(audio, "opus")
        player.say(to_bytes(speech()[:500]))
        await player.play()
        assert len(player.frames) == 2
        assert player.playout.played_us("r1") == 500 * 1_000_000 // RATE


@pytest.mark.parametrize("codec", ["opus", "PCMU", "PCMA"])
async def test_an_interruption_is_silence_to_whoever_decodes_it(codec: str) -> None:
    with codecs() as audio:
        player = Player(audio, codec)
        player.say(to_bytes(speech()[: 2 * RATE]))
        await player.play(frames=30)
        player.flush("r1")
        player.playout.fall_silent(player.clock.now)
        await player.play()
        assert len(player.frames) == 32
        assert player.playout.played_us("r1") == 600_000
    decoded = decode(codec, player.frames)
    cut = round(0.6 * len(decoded) / 0.64)
    # What was before it may ring on for some milliseconds; the least that A-law can say is 8.
    assert np.abs(decoded[cut + RATE // 100 :]).max() <= 8
    assert np.abs(decoded[:cut]).max() > 1000


async def test_an_interruption_drops_what_is_queued_encoded_or_not() -> None:
    with codecs() as audio:
        player = Player(audio, "opus")
        player.say(to_bytes(speech()[: 2 * RATE]))
        await player.play(frames=10)
        flushed_ms = player.flush("r1")
        assert flushed_ms == 1800
        assert player.playout.buffered_ms == 0
        player.say(to_bytes(speech()[:RATE]), response_id="r2")
        await player.play()
        assert len(player.frames) == 10 + 50
        assert player.playout.played_us("r2") == 1_000_000


async def test_a_leap_of_media_time_is_silence_of_that_length() -> None:
    with codecs() as audio:
        player = Player(audio, "opus")
        player.say(to_bytes(speech()[:320]))
        player.say(to_bytes(speech()[:320]), at_us=520_000)
        started = player.clock.now
        await player.play()
        assert len(player.frames) == 2
        assert player.clock.now - started >= 0.5
        assert player.playout.played_us("r1") == 40_000


async def test_a_full_queue_refuses_more() -> None:
    with codecs() as audio:
        player = Player(audio, "opus", max_buffered_ms=100)
        assert player.say(bytes(2 * RATE // 10))
        assert not player.say(bytes(2 * RATE // 10 + 2))
        player.playout.close()


def recovered(frames: list[bytes]) -> float:
    """How well every tenth frame can be had from the one behind it, on average: 1 is exactly."""
    whole, gappy = AudioDecoder("opus"), AudioDecoder("opus")
    matches = []
    for number, frame in enumerate(frames[:-1]):
        (_, _, (wanted,)), *_ = decode_audio([(whole, 0, frame, 20_000, [RATE])])
        lost = number % 10 == 9
        job = (gappy, 1, frames[number + 1], 20_000, [RATE]) if lost else (gappy, 0, frame, 20_000, [RATE])
        (level, _, (got,)), *_ = decode_audio([job])
        if lost and level < 50:
            matches.append(float(np.corrcoef(from_bytes(wanted), from_bytes(got))[0, 1]))
    return sum(matches) / len(matches)


async def test_frames_carry_a_copy_of_the_one_before_once_losses_are_reported() -> None:
    heard: dict[float, float] = {}
    with codecs() as audio:
        for fraction_lost in (0.0, 0.2):
            player = Player(audio, "opus", fraction_lost=fraction_lost)
            player.say(to_bytes(speech()))
            await player.play()
            heard[fraction_lost] = recovered(player.frames)
    print(f"lost frames recovered: {heard}")
    assert heard[0.2] > heard[0.0] + 0.1
