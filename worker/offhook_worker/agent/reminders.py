"""What one call is to be told later, unasked."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from functools import partial

from offhook_worker.agent.brain.interface import Reminder
from offhook_worker.dialogue import Dialogue
from offhook_worker.replies import Reply
from offhook_worker.turn import Turn

MAX_PENDING = 10
_ATTEMPTS = 3
"""A reminder that somebody talked over is said again."""

Say = Callable[[Reminder, Turn], AsyncIterator[Reply]]


class Reminders:
    """The timers of one call. They end with it."""

    def __init__(self, dialogue: Dialogue, say: Say) -> None:
        self._dialogue = dialogue
        self._say = say
        self._tasks: dict[Reminder, asyncio.Task[None]] = {}

    @property
    def pending(self) -> tuple[Reminder, ...]:
        """What is still to be said, soonest first."""
        return tuple(sorted(self._tasks, key=lambda reminder: reminder.due_at))

    def add(self, reminder: Reminder) -> None:
        """Says it when it is due and nobody speaks. Beyond the bound it is forgotten."""
        if len(self._tasks) < MAX_PENDING and reminder not in self._tasks:
            self._tasks[reminder] = self._dialogue.spawn(self._wait(reminder))

    def clear(self) -> None:
        """Forgets all of them."""
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()

    async def _wait(self, reminder: Reminder) -> None:
        try:
            await asyncio.sleep((reminder.due_at - datetime.now(reminder.due_at.tzinfo)).total_seconds())
            for _ in range(_ATTEMPTS):
                if await self._dialogue.speak_unasked(partial(self._say, reminder)):
                    return
        finally:
            if self._tasks.get(reminder) is asyncio.current_task():
                del self._tasks[reminder]
