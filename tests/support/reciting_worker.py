"""A worker that shows what it knows: its answer is everything that the caller has written so far."""

import asyncio
from collections.abc import AsyncIterator

from offhook_worker import Capability, Model, Reply, Role, Turn, TurnWorker
from offhook_worker.conversation import Message
from offhook_worker.model import OPUS, PCMU

BREAK_OFF = "break off"
"""Written by the caller: the answer stops in the middle and never ends."""


class RecitingWorker(TurnWorker):
    """Model `reciting`. As a model that knows its conversation does, it can take over another's."""

    models = (
        Model(
            "reciting",
            (OPUS, PCMU),
            (OPUS, PCMU),
            frozenset({Capability.TEXT_INPUT, Capability.TEXT_OUTPUT, Capability.HISTORY}),
        ),
    )

    async def respond(self, turn: Turn) -> AsyncIterator[Reply]:
        """One word after the other."""
        written = [each.text for each in turn.conversation if isinstance(each, Message) and each.role is Role.USER]
        yield ", ".join(written)
        if written[-1] == BREAK_OFF:
            await asyncio.Event().wait()
