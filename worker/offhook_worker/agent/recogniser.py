"""Speech of any length to text, in pieces of bounded cost, on a pool that all calls share."""

from collections.abc import Hashable
from functools import partial

import numpy as np

from offhook_worker.agent.hearing import EARLIEST_CUT_S, LONGEST_PIECE_S, SAMPLE_RATE_HZ, Samples
from offhook_worker.agent.moonshine import Moonshine
from offhook_worker.agent.pauses import quietest, without_silence
from offhook_worker.agent.pool import FairPool, Urgency


class Recogniser:
    """Implements `SpeechToText` with Moonshine.

    Attributes:
        audio_s: how much audio was written down so far, for the real-time factor.
    """

    def __init__(self, model: Moonshine, pool: FairPool) -> None:
        self._model = model
        self._pool = pool
        self.audio_s = 0.0

    def warm_up(self) -> None:
        """The first piece takes longer than the others."""
        self._model.transcribe(np.random.default_rng(0).normal(0, 0.05, SAMPLE_RATE_HZ).astype(np.float32))

    def hurry(self, owner: Hashable) -> None:
        """What `owner` wanted ahead of time is needed now."""
        self._pool.hurry(owner)

    async def write_down(self, owner: Hashable, samples: Samples, urgency: Urgency) -> str:
        """What is said in `samples` (16 kHz, -1 to 1).

        Raises:
            PoolFull: others have more urgent work.
        """
        written = []
        rest = without_silence(samples, SAMPLE_RATE_HZ)
        while len(rest):
            piece, rest = self.split(rest)
            self.audio_s += len(piece) / SAMPLE_RATE_HZ
            written.append(await self._pool.run(owner, partial(self._model.transcribe, piece), urgency))
        return " ".join(filter(None, written))

    @staticmethod
    def split(samples: Samples) -> tuple[Samples, Samples]:
        """The first piece and the rest."""
        if len(samples) <= LONGEST_PIECE_S * SAMPLE_RATE_HZ:
            return samples, samples[:0]
        cut = quietest(samples, SAMPLE_RATE_HZ, EARLIEST_CUT_S, LONGEST_PIECE_S)
        return samples[:cut], samples[cut:]
