"""Where the voice starts and stops, by both detectors, on real speech."""

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.turn_scene import (
    VOICE_ENDS_US,
    VOICE_STARTS_US,
    Caller,
    click,
    mixed,
    model_file,
    music,
    noise,
    silence,
    speech,
)
from transceiver.turns.interface import ServerVad
from transceiver.turns.listening import Ears, InlineEars
from transceiver.turns.turns import SILERO_FILE


def silero() -> Ears:
    from transceiver.turns.silero import SileroVad  # noqa: PLC0415 - an extra

    return InlineEars(SileroVad(model_file(SILERO_FILE)))


def loudness() -> None:
    return None


BOTH = pytest.mark.parametrize("detector", [silero, loudness])
Detector = Callable[[], Ears | None]
PAUSE = silence(2)


@BOTH
def test_a_sentence_is_one_turn_with_exact_times(detector: Detector, show: Callable[[str], None]) -> None:
    caller = Caller(ServerVad(), ears=detector())
    caller.says(PAUSE + speech() + PAUSE)
    (_, start_us, _), (_, end_us, voice_end_us) = caller.heard.events
    onset_us = start_us + 300_000 - (2_000_000 + VOICE_STARTS_US)
    offset_us = voice_end_us - (2_000_000 + VOICE_ENDS_US)
    show(f"{detector.__name__}: onset {onset_us / 1000:+.0f} ms, offset {offset_us / 1000:+.0f} ms from the alignment")
    assert caller.heard.names == ["started", "stopped"]
    assert abs(onset_us) < 100_000
    assert abs(offset_us) < 200_000
    assert end_us == voice_end_us + 500_000


@BOTH
def test_every_frame_is_judged_well_in_noise(detector: Detector, show: Callable[[str], None]) -> None:
    clean = PAUSE + speech() + PAUSE + speech() + PAUSE
    for level_dbov in (-70, -50):
        caller = Caller(ServerVad(silence_duration_ms=200), ears=detector())
        caller.says(mixed(clean, noise(len(clean) / 32_000, level_dbov)))
        score = f1(caller, [(2_000_000, 9_100_000), (11_100_000, 18_200_000)])
        show(f"{detector.__name__}: F1 {score:.3f} with noise at {level_dbov} dBov")
        assert score > 0.93


def f1(caller: Caller, sentences: list[tuple[int, int]]) -> float:
    """Of frames of 10 ms: voice by the alignment against voice by the events, without padding and hang-over."""
    truth = {t for start, _ in sentences for t in frames(start + VOICE_STARTS_US, start + VOICE_ENDS_US)}
    found: set[int] = set()
    start_us = 0
    for name, at_us, other_us in caller.heard.events:
        if name == "started":
            start_us = at_us + 300_000
        else:
            found |= set(frames(start_us, other_us))
    both = len(truth & found)
    return 2 * both / (len(truth) + len(found))


def frames(start_us: int, end_us: int) -> range:
    return range(start_us // 10_000, end_us // 10_000)


@BOTH
def test_a_click_interrupts_nobody(detector: Detector) -> None:
    caller = Caller(ServerVad(), ears=detector())
    for _ in range(8):
        caller.says(noise(0.4, -65) + click())
    caller.says(noise(3, -65))
    assert caller.heard.events == []


def test_music_is_no_speech_to_the_model() -> None:
    caller = Caller(ServerVad(), ears=silero())
    caller.says(music(6, -20))
    assert caller.heard.events == []


@BOTH
@pytest.mark.parametrize("piece_bytes", [160, 1_024, 1_000, 5_760, 10_000_000])
def test_any_chunking_gives_the_same_events(detector: Detector, piece_bytes: int) -> None:
    audio = noise(1, -60) + speech()[:100_000] + noise(1, -60)
    as_packets, otherwise = Caller(ServerVad(), ears=detector()), Caller(ServerVad(), ears=detector())
    as_packets.says(audio)
    otherwise.says(audio, piece_bytes=piece_bytes)
    assert len(as_packets.heard.events) == 2
    assert otherwise.heard.events == as_packets.heard.events


TRACK = noise(0.5, -60) + speech()[:100_000] + noise(0.7, -60)


@given(cuts=st.lists(st.integers(0, 100_000), max_size=40))
def test_any_cuts_give_the_same_events(cuts: list[int]) -> None:
    edges = sorted({0, len(TRACK), *(2 * cut for cut in cuts if 2 * cut < len(TRACK))})
    whole, cut = Caller(ServerVad()), Caller(ServerVad())
    whole.says(TRACK, piece_bytes=len(TRACK))
    for start, end in pairwise(edges):
        cut.turns.audio(TRACK[start:end], media_time_us=start // 2 * 1_000_000 // 16_000)
    assert whole.heard.names == ["started", "stopped"]
    assert cut.heard.events == whole.heard.events


pieces = st.lists(
    st.tuples(
        st.sampled_from([b"", silence(0.3), noise(0.1, -60), noise(0.2, -20), speech()[20_000:60_000], click()]),
        st.integers(-50_000, 3_000_000),
        st.none() | st.integers(0, 127),
    ),
    max_size=30,
)


@given(pieces=pieces, settings=st.builds(ServerVad, prefix_padding_ms=st.integers(0, 2000)))
def test_starts_and_stops_alternate_and_time_never_goes_back(
    pieces: list[tuple[bytes, int, int | None]], settings: ServerVad
) -> None:
    caller = Caller(settings)
    for pcm, gap_us, level_dbov in pieces:
        caller.now_us = max(0, caller.now_us + gap_us)
        caller.says(pcm, level_dbov=level_dbov)
    names, times = caller.heard.names, [at_us for _, at_us, _ in caller.heard.events]
    assert names == ["started", "stopped"] * (len(names) // 2) + ["started"] * (len(names) % 2)
    assert times == sorted(times)


@BOTH
def test_a_gap_in_the_packets_is_silence(detector: Detector) -> None:
    caller = Caller(ServerVad(), ears=detector())
    caller.says(PAUSE + speech()[:128_000])
    caller.sends_nothing(30)
    assert caller.heard.names == ["started", "stopped"]
    _, end_us, voice_end_us = caller.heard.events[1]
    assert voice_end_us < 6_100_000
    assert end_us == voice_end_us + 500_000


@BOTH
def test_a_lost_packet_does_not_end_a_word(detector: Detector) -> None:
    caller = Caller(ServerVad(silence_duration_ms=200), ears=detector())
    caller.says(PAUSE + speech()[:64_000])
    caller.sends_nothing(0.06)
    caller.says(speech()[65_920:])
    caller.says(PAUSE)
    assert caller.heard.names[0] == "started"
    assert all(at_us > 4_300_000 for name, at_us, _ in caller.heard.events if name == "stopped")


@BOTH
def test_the_prefix_begins_neither_before_the_audio_nor_in_the_turn_before(detector: Detector) -> None:
    caller = Caller(ServerVad(prefix_padding_ms=5_000, silence_duration_ms=200), ears=detector())
    caller.says(speech() + silence(1) + speech() + silence(1))
    first, *_, last = [event for event in caller.heard.events if event[0] == "started"]
    assert first[1] == 0
    stops = [at_us for name, at_us, _ in caller.heard.events if name == "stopped" and at_us <= last[1]]
    assert last[1] == stops[-1]
