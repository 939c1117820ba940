"""Workers that show what they heard of a turn: how loud each tenth of a second of it was."""

import asyncio
from collections.abc import AsyncIterator

import numpy as np
from offhook_worker import Capability, Model, Reply, Turn, TurnWorker
from offhook_worker.model import pcm

STEP_S = 0.1
_CAPABILITIES = frozenset({Capability.TEXT_INPUT, Capability.TEXT_OUTPUT, Capability.HISTORY})


class CountingWorker(TurnWorker):
    """Model `counting`: one number for each STEP_S, the median sample in thousands."""

    models = (Model("counting", (pcm(16_000),), (pcm(16_000),), _CAPABILITIES),)

    async def respond(self, turn: Turn) -> AsyncIterator[Reply]:
        """The numbers."""
        assert turn.audio is not None
        samples = np.frombuffer(turn.audio.pcm, np.int16)
        step = round(turn.audio.sample_rate_hz * STEP_S)
        steps = [samples[begin : begin + step] for begin in range(0, len(samples), step)]
        yield " ".join(str(round(float(np.median(each)) / 1000)) for each in steps)


class SpeechlessWorker(CountingWorker):
    """The same model, where no answer ever comes."""

    async def respond(self, turn: Turn) -> AsyncIterator[Reply]:
        """Nothing."""
        await asyncio.Event().wait()
        yield ""
