"""The codec threads: order, bounds, and calls that do each other no harm."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.support.speech import frames_of_speech
from transceiver.audio.interface import Audio, InputAudio, Pcm
from transceiver.audio.settings import AudioSettings
from transceiver.audio.support import open_audio
from transceiver.session.actions import AudioReceived

DEADLINE_S = 20.0


@contextmanager
def codecs(threads: int = 1) -> Iterator[Audio]:
    audio = open_audio(AudioSettings(threads=threads))
    try:
        yield audio
    finally:
        audio.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.002)


def say(hearing: InputAudio, frames: int, start: int = 0) -> None:
    payloads = frames_of_speech("opus")
    now = asyncio.get_running_loop().time()
    for number in range(start, start + frames):
        hearing.delay.arrived(number * 960, now)
        hearing.receive(AudioReceived(payloads[50 + number % 300], "opus", number * 960, number, False, 30, 0))


def of_frames(heard: list[Pcm]) -> list[Pcm]:
    """What was said, without what the clock made up meanwhile."""
    return [pcm for pcm in heard if not pcm.concealed]


async def test_listeners_at_several_rates_hear_the_same_time() -> None:
    with codecs() as audio:
        hearing = audio.open_input("opus")
        heard: dict[int, list[Pcm]] = {rate: [] for rate in (8_000, 16_000, 24_000, 48_000)}
        for rate, pcms in heard.items():
            hearing.tap(rate, pcms.append)
        say(hearing, 50)
        await until(lambda: len(of_frames(heard[8_000])) >= 45)
        hearing.close()
        # Decoded once for all of them.
        assert audio.counters.decoded_pieces < 150
        for rate, pcms in heard.items():
            assert [pcm.media_time_us for pcm in pcms] == [pcm.media_time_us for pcm in heard[8_000]]
            assert all(len(pcm.samples) == 2 * rate * pcm.duration_us // 1_000_000 for pcm in pcms)


async def test_rates_that_there_are_none_of_are_refused() -> None:
    with codecs() as audio:
        hearing = audio.open_input("opus")
        with pytest.raises(ValueError, match="44100"):
            hearing.tap(44_100, lambda pcm: None)
        hearing.close()


async def test_a_listener_that_fails_costs_other_calls_nothing() -> None:
    def fail(pcm: Pcm) -> None:
        raise RuntimeError("a listener's own fault")

    with codecs() as audio:
        broken, sound = audio.open_input("opus"), audio.open_input("opus")
        heard: list[Pcm] = []
        broken.tap(16_000, fail)
        sound.tap(16_000, heard.append)
        for start in range(0, 20, 5):
            say(broken, 5, start)
            say(sound, 5, start)
        await until(lambda: len(of_frames(heard)) >= 18)
        await until(lambda: audio.counters.listener_faults >= 18)
        broken.close()
        sound.close()


async def test_more_than_two_seconds_of_a_call_do_not_wait() -> None:
    with codecs() as audio:
        hearing = audio.open_input("opus")
        heard: list[Pcm] = []
        hearing.tap(16_000, heard.append)
        # A flood within one turn of the loop: 100 frames of 20 ms may wait.
        say(hearing, 400)
        assert audio.waiting <= 100
        assert audio.counters.shed_us >= 5_000_000
        await until(lambda: audio.waiting == 0)
        # The time of what was shed is heard as silence, and media time has no gap.
        say(hearing, 1, 400)
        await until(lambda: hearing.media_time_us >= 8_020_000)
        hearing.close()


async def test_a_call_that_is_over_hears_nothing_more() -> None:
    with codecs(threads=2) as audio:
        hearing = audio.open_input("opus")
        heard: list[Pcm] = []
        hearing.tap(16_000, heard.append)
        say(hearing, 10)
        hearing.close()
        hearing.close()
        await until(lambda: audio.waiting == 0)
        say(hearing, 1, 10)
        await asyncio.sleep(0.05)
        assert heard == []
