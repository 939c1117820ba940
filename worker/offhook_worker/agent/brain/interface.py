"""A brain: the conversation in, text and function calls out as it thinks. A language model fits as well as rules."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Protocol

from offhook_worker.conversation import Item


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the session declares. `parameters` is a JSON Schema object."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)


class ToolMode(Enum):
    """Whether a function may, must or must not be called."""

    AUTO = "auto"
    NONE = "none"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True)
class Reminder:
    """Something to say later, unasked."""

    due_at: datetime
    label: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """All a brain may know.

    Attributes:
        conversation: the items so far; the last one is to be answered. Empty: begin.
        now: local time, with its zone.
        instructions: what the application asks of the whole session.
        directive: what it asks of this one answer, if that is something else.
        tools: the functions that may be called.
        tool_choice: whether to.
        reminders: what is to be said later.
    """

    conversation: Sequence[Item]
    now: datetime
    instructions: str = ""
    directive: str = ""
    tools: Sequence[Tool] = ()
    tool_choice: ToolMode = ToolMode.AUTO
    reminders: Sequence[Reminder] = ()


@dataclass(frozen=True, slots=True)
class ToolCall:
    """Call this function; its result comes with a later prompt."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Remind:
    """Say this later."""

    reminder: Reminder


@dataclass(frozen=True, slots=True)
class ForgetReminders:
    """Say nothing later after all."""


Thought = str | ToolCall | Remind | ForgetReminders
"""A str is more of the answer's text."""


class Brain(Protocol):
    """Thinks for all calls of a process; keeps nothing between answers."""

    def stream(self, prompt: Prompt) -> AsyncIterator[Thought]:
        """The answer, piece by piece. Cancelled when nobody wants the rest."""
