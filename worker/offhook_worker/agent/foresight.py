"""The beginning of an answer, made while the caller may still go on: thrown away if they do.

voice ends ──pause──▶ transcript ──▶ brain ──▶ first sentence as sound ─┐
     └──────────── the fabric waits for the end of the turn ────────────┴──▶ answer asked for: it plays at once

It costs a sentence of synthesis for each pause, and saves the wait for it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from offhook_proto.worker.v1 import worker_pb2

from offhook_worker.agent.pool import PoolFull
from offhook_worker.conversation import Message
from offhook_worker.dialogue import Dialogue
from offhook_worker.events import Role
from offhook_worker.replies import Speech
from offhook_worker.turn import Listener, Turn

Begin = Callable[[Turn], Awaitable[str]]
"""The first sentence of the answer to a turn; empty where it begins with none."""


class SpeakingAhead(Protocol):
    """A voice that costs so little that some of what it says may go unheard."""

    async def speak_ahead(self, turn: Turn, sentence: str) -> Speech:
        """A sentence that nobody waits for yet.

        Raises:
            PoolFull: others have more urgent work.
        """
        ...

    def hurry(self, turn: Turn) -> None:
        """What this call wanted ahead of time is needed now."""
        ...


class Foresight:
    """Of one call. It keeps one beginning, that of the answer to the last pause.

    Args:
        listener: the call's ear, as answers see it.
    """

    def __init__(self, dialogue: Dialogue, listener: Listener, begin: Begin, voice: SpeakingAhead) -> None:
        self._dialogue = dialogue
        self._listener = listener
        self._begin = begin
        self._voice = voice
        self._making: asyncio.Task[None] | None = None
        self._speed = 0.0
        self._sentence = ""
        self._sound: Speech | None = None

    def drafted(self, item_id: str, transcript: str) -> None:
        """If the turn ended now, this is what was said."""
        self.forget()
        now = asyncio.get_running_loop().time()
        turn = Turn(self._dialogue.session, worker_pb2.ResponseRequest(), self._listener, now)
        if transcript and turn.wants_speech:
            turn.conversation = (*self._dialogue.conversation.items, Message(item_id, Role.USER, transcript))
            self._speed = turn.config.speed
            self._making = self._dialogue.spawn(self._make(turn))

    def forget(self) -> None:
        """The caller went on."""
        if self._making is not None:
            self._making.cancel()
        self._making, self._sentence, self._sound = None, "", None

    async def take(self, turn: Turn, sentence: str) -> Speech | None:
        """The sound of an answer's first sentence if that was foreseen, once."""
        if sentence == self._sentence and turn.config.speed == self._speed and self._making is not None:
            self._voice.hurry(turn)
            await asyncio.wait([self._making])
            sound = self._sound
        else:
            sound = None
        self.forget()
        return sound

    async def _make(self, turn: Turn) -> None:
        self._sentence = await self._begin(turn)
        if not self._sentence:
            return
        try:
            self._sound = await self._voice.speak_ahead(turn, self._sentence)
        except PoolFull:
            return  # it is made when it is asked for
