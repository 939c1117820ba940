"""What writes down speech for an ear, whichever model that is and wherever it runs."""

from collections.abc import Callable, Hashable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from offhook_worker.agent.pool import Urgency

SAMPLE_RATE_HZ = 16_000
EARLIEST_CUT_S, LONGEST_PIECE_S = 5.0, 12.0
"""More is cut in a pause, between these: what a piece costs grows faster than its length, and so do its mistakes."""

Samples = npt.NDArray[np.float32]

Drafted = Callable[[str, str], None]
"""Told in a pause, of a turn by its item's id: the words, if it ends there."""


class SpeechToText(Protocol):
    """Writes down what callers say."""

    async def write_down(self, owner: Hashable, samples: Samples, urgency: Urgency) -> str:
        """What is said in `samples` (16 kHz, -1 to 1); empty where nobody speaks.

        Raises:
            PoolFull: it is not urgent, and others have more urgent work.
        """
        ...

    def hurry(self, owner: Hashable) -> None:
        """What `owner` wanted ahead of time is needed now."""
        ...
