"""The pieces under `TurnWorker`: sentences of text still being written, audio by media time, samples as arrays."""

from collections.abc import AsyncIterator, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from offhook_worker import Audio, Utterance, sentences
from offhook_worker.samples import float32, int16, to_pcm
from offhook_worker.utterance import InputBuffer


async def written(deltas: Sequence[str]) -> AsyncIterator[str]:
    for delta in deltas:
        yield delta


@pytest.mark.parametrize(
    ("deltas", "expected"),
    [
        (["It is ", "late. Go ", "home!"], ["It is late.", " Go home!"]),
        (["Pi is 3.", "14 or so. Dr. Who", " knows."], ["Pi is 3.14 or so.", " Dr. Who knows."]),
        (['He said "Stop." ', "Then left"], ['He said "Stop."', " Then left"]),
        (["One\ntwo"], ["One\n", "two"]),
        (["J. R. R. Tolkien wrote. It"], ["J. R. R. Tolkien wrote.", " It"]),
        ([], []),
    ],
)
async def test_a_sentence_leaves_when_it_is_complete(deltas: list[str], expected: list[str]) -> None:
    assert [sentence async for sentence in sentences(written(deltas))] == expected


async def test_the_first_piece_may_end_with_a_comma() -> None:
    text = "Ask me the time or the date, a sum, how to spell a word, or what you said. I can count, too."
    pieces = [piece async for piece in sentences(written([text]), longest_first=45)]
    assert pieces == [
        "Ask me the time or the date, a sum,",
        " how to spell a word, or what you said.",
        " I can count, too.",
    ]
    assert [piece async for piece in sentences(written(["No comma can help, it is too short."]), longest_first=45)] == [
        "No comma can help, it is too short."
    ]


@given(deltas=st.lists(st.text(alphabet="ab., !?\n1", max_size=40), max_size=20))
async def test_sentences_are_the_whole_text_in_bounded_pieces(deltas: list[str]) -> None:
    pieces = [piece async for piece in sentences(written(deltas), longest=50, longest_first=20)]
    assert "".join(pieces) == "".join(deltas)
    assert all(len(piece) <= 90 for piece in pieces)


def sample_values(utterance: Utterance) -> list[int]:
    return [int(value) for value in int16(utterance)]


def piece(first: int, count: int, at_us: int) -> Audio:
    payload = to_pcm(np.arange(first, first + count, dtype=np.int16))
    return Audio(payload, duration_us=count * 1000, media_time_us=at_us)


def test_audio_is_found_by_media_time_and_gaps_are_silence() -> None:
    kept = InputBuffer(1000)
    kept.add(piece(1, 4, at_us=10_000))
    kept.add(piece(9, 2, at_us=16_000))
    kept.add(piece(20, 3, at_us=17_000))
    assert (kept.start_us, kept.end_us) == (10_000, 20_000)
    assert sample_values(kept.between(12_000)) == [3, 4, 0, 0, 9, 10, 21, 22]
    assert sample_values(kept.between(0, 12_000)) == [1, 2]
    assert kept.between(50_000).pcm == b""
    kept.forget(16_000)
    assert sample_values(kept.between(0)) == [9, 10, 21, 22]


def test_audio_that_nobody_claims_is_bounded() -> None:
    kept = InputBuffer(1000, longest_s=10)
    for number in range(100):
        kept.add(piece(number, 1000, at_us=number * 1_000_000))
    assert kept.end_us == 100_000_000
    assert 10 <= kept.between(0).duration_s <= 15
    kept.add(piece(1, 5, at_us=10**15))
    assert kept.between(0).duration_s == pytest.approx(0.005)


@given(pieces=st.lists(st.tuples(st.integers(0, 2**40), st.binary(max_size=64)), max_size=20))
def test_any_media_times_are_survived(pieces: list[tuple[int, bytes]]) -> None:
    kept = InputBuffer(16_000, longest_s=1)
    for at_us, payload in pieces:
        kept.add(Audio(payload, duration_us=1, media_time_us=at_us))
    whole = kept.between(0)
    assert len(whole.pcm) % 2 == 0
    assert whole.duration_s <= 7


def test_samples_come_back_as_they_were_and_loud_ones_are_clipped() -> None:
    samples = np.array([0, 1, -1, 32767, -32768], np.int16)
    audio = Audio(to_pcm(samples), duration_us=1)
    assert np.array_equal(int16(audio), samples)
    assert np.array_equal(to_pcm(float32(audio)), to_pcm(samples))
    assert int16(Audio(to_pcm(np.array([2.0, -2.0, np.nan, np.inf])), 1)).tolist() == [32767, -32768, 0, 0]
    with pytest.raises(TypeError, match="int64"):
        to_pcm(np.array([1]))
