"""A worker that says back what was said, at the rate of the Realtime API's own audio."""

from collections.abc import AsyncIterator

from offhook_worker import Capability, Model, Speech, Turn, TurnWorker
from offhook_worker.model import pcm
from offhook_worker.replies import Reply

RATE_HZ = 24_000


class ParrotWorker(TurnWorker):
    """Model `parrot`: each turn comes back as the speech that it was."""

    models = (Model("parrot", (pcm(RATE_HZ),), (pcm(RATE_HZ),), frozenset({Capability.TEXT_OUTPUT})),)

    async def respond(self, turn: Turn) -> AsyncIterator[Reply]:
        """Yields the turn's own audio."""
        if turn.audio is not None:
            yield Speech(turn.audio.pcm, "So you said.")
