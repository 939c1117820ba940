"""A streamed chat completion, chunk by chunk. Sans-IO.

What engines add to the protocol or leave out of it is met here: calls in pieces (OpenAI, vLLM) or whole (Ollama,
llama.cpp), usage in a chunk without choices, errors within a stream, thoughts between tags.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from offhook_worker.agent.brain.interface import Thought, TokensUsed, ToolCall, Unfinished
from offhook_worker.outputs import Status

MAX_CALLS = 32
MAX_ARGUMENTS = 256 * 1024
_END = "[DONE]"
_EARLY = {"length": Status.INCOMPLETE_MAX_TOKENS, "content_filter": Status.INCOMPLETE_CONTENT_FILTER}
_OPENING, _CLOSING = "<think>", "</think>"


class BadChunk(ValueError):
    """A chunk that is none."""


class EngineError(Exception):
    """The engine says within the stream that it failed."""


@dataclass(slots=True)
class _Call:
    name: str = ""
    arguments: str = ""


class ChatReader:
    """One completion.

    Attributes:
        is_complete: the engine said that the answer ends here. A stream that ends before it was cut.
    """

    def __init__(self) -> None:
        self.is_complete = False
        self._calls: dict[int, _Call] = {}
        self._silencer = _Silencer()

    def read(self, data: str) -> Iterator[Thought]:
        """What an event's data adds to the answer.

        Raises:
            BadChunk: it is no chunk.
            EngineError: it says that the engine failed.
        """
        if data == _END:
            self.is_complete = True
            return
        chunk = _object(data)
        if chunk.get("error"):
            raise EngineError
        if isinstance(usage := chunk.get("usage"), dict):
            yield _tokens(usage)
        choices = chunk.get("choices")
        if isinstance(choices, list) and choices:
            yield from self._choice(_dict(choices[0]))

    def finish(self) -> Iterator[Thought]:
        """What only the end makes whole: the function calls."""
        if text := self._silencer.finish():
            yield text
        for _, call in sorted(self._calls.items()):
            if call.name:
                yield ToolCall(call.name, call.arguments or "{}")

    def _choice(self, choice: dict[str, Any]) -> Iterator[Thought]:
        delta = _dict(choice.get("delta") or {})
        if isinstance(text := delta.get("content"), str) and (heard := self._silencer.feed(text)):
            yield heard
        for piece in delta.get("tool_calls") or ():
            self._call(_dict(piece))
        reason = choice.get("finish_reason")
        if reason is not None:
            self.is_complete = True
        if isinstance(reason, str) and reason in _EARLY:
            yield Unfinished(_EARLY[reason])

    def _call(self, piece: dict[str, Any]) -> None:
        index = piece.get("index", len(self._calls))
        if not isinstance(index, int) or (index not in self._calls and len(self._calls) >= MAX_CALLS):
            raise BadChunk
        call = self._calls.setdefault(index, _Call())
        function = _dict(piece.get("function") or {})
        call.name = call.name or _text(function.get("name"))
        arguments = function.get("arguments")
        call.arguments += json.dumps(arguments) if isinstance(arguments, dict) else _text(arguments)
        if len(call.arguments) > MAX_ARGUMENTS:
            raise BadChunk


class _Silencer:
    """Keeps back what stands between think tags at the start of an answer: nobody wants to hear it."""

    def __init__(self) -> None:
        self._waiting = ""
        self._is_thinking = False
        self._has_spoken = False

    def feed(self, text: str) -> str:
        """The part of `text`, and of what waited, that is to be heard."""
        if self._has_spoken:
            return text
        self._waiting += text
        if self._is_thinking:
            return self._end_of_thought()
        begun = self._waiting.lstrip()
        if begun.startswith(_OPENING):
            self._is_thinking = True
            self._waiting = begun
            return self._end_of_thought()
        if _OPENING.startswith(begun):
            return ""
        return self.finish()

    def finish(self) -> str:
        """What still waits, unless it is a thought."""
        waiting, self._waiting = self._waiting, ""
        self._has_spoken = bool(waiting.strip())
        return "" if self._is_thinking else waiting

    def _end_of_thought(self) -> str:
        _, closing, rest = self._waiting.partition(_CLOSING)
        if not closing:
            # Enough to recognise the closing tag when it comes.
            self._waiting = self._waiting[-len(_CLOSING) :]
            return ""
        self._is_thinking, self._waiting = False, ""
        self._has_spoken = True
        return rest.lstrip()


def _tokens(usage: dict[str, Any]) -> TokensUsed:
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else 0
    return TokensUsed(_count(usage.get("prompt_tokens")), _count(cached), _count(usage.get("completion_tokens")))


def _count(value: object) -> int:
    return min(value, 2**31) if isinstance(value, int) and value > 0 else 0


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _dict(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadChunk
    return value


def _object(data: str) -> dict[str, Any]:
    try:
        return _dict(json.loads(data))
    except (ValueError, RecursionError) as error:
        raise BadChunk from error
