"""The estimate of how a call sounds agrees with the values that ITU-T publishes for its formulas."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transceiver.quality.e_model import BEST_R, mean_opinion_score, rating


@pytest.mark.parametrize(
    # ITU-T G.107 annex B, table B.1; 93.2 and its 4.41 are the result of all default values (G.107 section 7.7).
    ("value", "score"),
    [(90, 4.34), (80, 4.03), (70, 3.60), (60, 3.10), (50, 2.58), (BEST_R, 4.41), (0, 1.0), (-5, 1.0), (100, 4.5)],
)
def test_ratings_become_scores(value: float, score: float) -> None:
    assert mean_opinion_score(value) == pytest.approx(score, abs=0.007)


@pytest.mark.parametrize(
    ("loss", "delay_s", "expected"),
    [
        (0.0, 0.0, 93.2),
        # Delay below 177.3 ms costs 0.024 a millisecond, beyond it 0.134.
        (0.0, 0.1, 93.2 - 2.4),
        (0.0, 0.2773, 93.2 - 0.024 * 277.3 - 11.0),
        # As much loss as Bpl takes half of 95.
        (0.251, 0.0, 93.2 - 47.5),
        (0.01, 0.0, 93.2 - 95 / 26.1),
        (1.0, 1.0, 0.0),
    ],
)
def test_loss_and_delay_cost_what_the_formulas_say(loss: float, delay_s: float, expected: float) -> None:
    assert rating(loss, delay_s) == pytest.approx(expected)


@given(st.floats(0, 1), st.floats(0, 10), st.floats(0, 1), st.floats(0, 10))
def test_more_loss_and_more_delay_never_sound_better(loss: float, delay_s: float, more: float, longer_s: float) -> None:
    better = mean_opinion_score(rating(loss, delay_s))
    worse = mean_opinion_score(rating(min(1.0, loss + more), delay_s + longer_s))
    assert 1.0 <= worse <= better + 1e-9 <= 4.5
