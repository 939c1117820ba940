"""A model that answers in two words, the second when the test says so: what comes between is the test's to choose."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator

from offhook_worker import Capability, Model, TurnWorker
from offhook_worker.model import OPUS, pcm
from offhook_worker.replies import Reply
from offhook_worker.turn import Turn

HELD = "held"
FIRST, SECOND = "One ", "moment."


class HeldModel(TurnWorker):
    """Model `held`, for clients with a media track and for those without."""

    models = (
        Model(
            HELD,
            (OPUS, pcm(16_000)),
            (OPUS, pcm(16_000)),
            frozenset({Capability.TEXT_INPUT, Capability.TEXT_OUTPUT}),
        ),
    )

    def __init__(self) -> None:
        self._released: dict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def release(self, response_id: str) -> None:
        """Lets this answer end. Called on the worker's event loop."""
        self._released[response_id].set()

    async def respond(self, turn: Turn) -> AsyncIterator[Reply]:
        yield FIRST
        await self._released[turn.response_id].wait()
        yield SECOND
