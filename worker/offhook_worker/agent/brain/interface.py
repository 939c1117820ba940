"""A brain: the conversation in, text and function calls out as it thinks. A language model fits as well as rules."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Protocol

from offhook_worker.conversation import Item
from offhook_worker.outputs import Status


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
        tools: the functions that the session declares.
        tool_choice: whether to call any.
        only_tool: the one function that may be called; empty: each may.
        temperature: how freely to choose words; None: as the brain sees fit.
        max_output_tokens: how long the answer may be; 0: as long as it takes.
        reminders: what is to be said later.
    """

    conversation: Sequence[Item]
    now: datetime
    instructions: str = ""
    directive: str = ""
    tools: Sequence[Tool] = ()
    tool_choice: ToolMode = ToolMode.AUTO
    only_tool: str = ""
    temperature: float | None = None
    max_output_tokens: int = 0
    reminders: Sequence[Reminder] = ()

    @property
    def callable_tools(self) -> Sequence[Tool]:
        """The functions that may be called."""
        if self.only_tool:
            return [tool for tool in self.tools if tool.name == self.only_tool]
        return self.tools


@dataclass(frozen=True, slots=True)
class ToolCall:
    """Call this function; its result comes with a later prompt. Arguments that are a str are JSON as it was written."""

    name: str
    arguments: Mapping[str, Any] | str


@dataclass(frozen=True, slots=True)
class Remind:
    """Say this later."""

    reminder: Reminder


@dataclass(frozen=True, slots=True)
class ForgetReminders:
    """Say nothing later after all."""


@dataclass(frozen=True, slots=True)
class TokensUsed:
    """What the answer cost, from a brain that counts; else words are counted. `cached_input` is part of `input`."""

    input: int
    cached_input: int
    output: int


@dataclass(frozen=True, slots=True)
class Unfinished:
    """The answer ends here, but is not whole."""

    status: Status


Thought = str | ToolCall | Remind | ForgetReminders | TokensUsed | Unfinished
"""A str is more of the answer's text."""


class Brain(Protocol):
    """Thinks for all calls of a process; keeps nothing between answers."""

    def stream(self, prompt: Prompt) -> AsyncGenerator[Thought, None]:
        """The answer, piece by piece. Cancelled or closed, at once, when nobody wants the rest."""
