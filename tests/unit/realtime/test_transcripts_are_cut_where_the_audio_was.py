"""Words and their time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transceiver.realtime.transcript import Transcript


def spoken(*pieces: tuple[str, int]) -> Transcript:
    transcript = Transcript()
    for text, start_us in pieces:
        transcript.add(text, start_us)
    return transcript


@pytest.mark.parametrize(
    ("at_us", "left"),
    [
        (0, ""),
        (1_000_000, "One two "),
        (1_500_000, "One two three"),
        (2_000_000, "One two three four"),
        (9_000_000, "One two three four"),
    ],
)
def test_whole_pieces_and_whole_words_are_left(at_us: int, left: str) -> None:
    transcript = spoken(("One two ", 0), ("three four", 1_000_000))
    assert transcript.cut(at_us, 2_000_000) == left


def test_a_second_cut_is_within_the_first() -> None:
    transcript = spoken(("One two ", 0), ("three four", 1_000_000))
    transcript.cut(1_500_000, 2_000_000)
    assert transcript.cut(1_500_000, 1_500_000) == "One two three"
    assert transcript.cut(600_000, 1_500_000) == "One"


@given(
    st.lists(st.tuples(st.text(max_size=20), st.integers(0, 5_000_000)), max_size=8),
    st.integers(0, 6_000_000),
    st.integers(0, 6_000_000),
)
def test_what_is_left_is_a_beginning_of_what_was_said(pieces: list[tuple[str, int]], at_us: int, audio_us: int) -> None:
    transcript = spoken(*pieces)
    before = transcript.text
    left = transcript.cut(at_us, audio_us)
    assert before.startswith(left)
    assert transcript.text == left
