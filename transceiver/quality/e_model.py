"""How a conversation sounds, estimated from loss and delay: the E-model with the default values of all else.

R begins at what remains of its scale with a perfect line, and loses what delay and loss take away
(ITU-T G.107, https://www.itu.int/rec/T-REC-G.107):

    R = 93.2 - Id - Ie,eff
    Id     = 0.024 d + 0.11 (d - 177.3) H(d - 177.3)         d: one-way delay in ms
    Ie,eff = Ie + (95 - Ie) Ppl / (Ppl / BurstR + Bpl)       Ppl: packet loss in percent; G.107 section 7.2
    MOS    = 1 + 0.035 R + R (R - 60) (100 - R) 7e-6         G.107 annex B

Id is the simplification of Cole and Rosenbluth (https://doi.org/10.1145/505666.505669) for a line without echo. There
are no values of Ie and Bpl for Opus: it is taken for a codec that conceals as well as G.711 does with appendix I
(Ie = 0, Bpl = 25.1; G.113 appendix I), and loss for random (BurstR = 1). So the estimate compares calls of one fabric;
it is no measurement of what an ear would say, and on the scale of narrow-band telephony never more than 4.41.
"""

from typing import Final

BEST_R: Final = 93.2
LOSS_ROBUSTNESS: Final = 25.1
"""Bpl."""
FELT_FROM_MS: Final = 177.3
"""Delay beyond this disturbs conversation itself."""


def rating(loss: float, delay_s: float) -> float:
    """R, 0 to 93.2.

    Args:
        loss: share of the audio that did not come, 0 to 1.
        delay_s: from mouth to ear, one way.
    """
    delay_ms = delay_s * 1000
    delay_impairment = 0.024 * delay_ms + 0.11 * max(0.0, delay_ms - FELT_FROM_MS)
    percent = loss * 100
    loss_impairment = 95 * percent / (percent + LOSS_ROBUSTNESS)
    return max(0.0, BEST_R - delay_impairment - loss_impairment)


def mean_opinion_score(rating: float) -> float:
    """MOS for a rating: 1 (bad) to 4.5 (excellent)."""
    if rating <= 0:
        return 1.0
    if rating >= 100:
        return 4.5
    return max(1.0, 1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6)
