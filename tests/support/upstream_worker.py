"""The model of a fabric that another fabric calls: it tells what it was told."""

import asyncio
from collections.abc import AsyncIterator

from offhook_worker import (
    CallFunction,
    Capability,
    Dialogue,
    Listener,
    Message,
    Model,
    Reply,
    Role,
    Speech,
    ToolResult,
    Turn,
    TurnWorker,
    Utterance,
    Word,
    pcm,
)
from offhook_worker.agent.cascade import CAPABILITIES

from tests.support.openai_server import tone

SECOND = tone(1.0)


class Upstream(TurnWorker):
    """Model `upstream`: tells what it was told. Keeps every turn for the test to look at."""

    models = (
        Model(
            "upstream",
            (pcm(24_000),),
            (pcm(24_000),),
            CAPABILITIES - {Capability.HISTORY},
        ),
    )

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self.cancelled = 0

    def listen(self, dialogue: Dialogue) -> Listener:
        return _Lengths()

    async def respond(self, turn: Turn) -> AsyncIterator[Reply]:
        self.turns.append(turn)
        last = turn.conversation[-1] if turn.conversation else None
        if isinstance(last, ToolResult):
            yield f"It returned {last.output}."
        elif turn.config.tools:
            yield CallFunction(turn.config.tools[0].name, '{"city": "Rome"}')
        elif turn.text == "wait":
            yield Speech(SECOND, (Word("One two", 0), Word(" three four.", 600_000)))
            try:
                await asyncio.Event().wait()
            finally:
                self.cancelled += 1
        elif turn.wants_speech:
            yield Speech(SECOND * 2, f"You said: {turn.text}.")
        else:
            yield f"You said: {turn.text}."

    @property
    def known(self) -> list[tuple[Role, str]]:
        """What it knew of the conversation when it was asked last."""
        return [(each.role, each.text) for each in self.turns[-1].conversation if isinstance(each, Message)]


class _Lengths(Listener):
    async def transcript(self, item_id: str, utterance: Utterance) -> str | None:
        return f"{utterance.duration_s:.1f} seconds"
