"""Which of the session's functions a question is about, and its arguments out of the words of the question."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from offhook_worker.agent.brain.arguments import NOT_SAID, ask_for, fill, fill_alone, guess
from offhook_worker.agent.brain.interface import Thought, Tool, ToolCall, ToolMode
from offhook_worker.agent.brain.question import Question, tokenise
from offhook_worker.events import Role

_ENOUGH = 3
_NAME_WORD, _DESCRIPTION_WORD = 2, 1

# Say nothing of what a function is about.
_EMPTY = frozenset(
    tokenise(
        "get fetch find look lookup search check query read show give list do run call make set update create "
        "the a an of for in on at to by with and or from is are it its this that these your my you i me what "
        "which who where when how can could would will please tell know use used uses using return returns "
        "given current currently information info data details user users caller function tool api about some "
        "any want need be has have if not only all new"
    )
)
_SAME: Mapping[str, str] = {
    word: meaning
    for meaning, words in {
        "weather": "rain raining rainy sunny sunshine forecast temperature snow snowing umbrella hot cold warm degrees",
        "human": "agent person operator representative somebody someone",
        "price": "cost costs prices expensive quote",
        "book": "reserve reservation booking appointment schedule",
        "order": "orders purchase buy package parcel delivery",
    }.items()
    for word in (meaning, *words.split())
}


@dataclass(frozen=True, slots=True)
class Asking:
    """A function that would be called if the caller said one thing more."""

    tool: Tool
    known: Mapping[str, Any]
    missing: str

    @property
    def question(self) -> str:
        """What to ask for it."""
        return ask_for(self.missing)


def answer(question: Question) -> list[Thought] | None:
    """A call of the function that the question is about, or what is missing for one; None: it is about none."""
    prompt = question.prompt
    if not prompt.callable_tools or prompt.tool_choice is ToolMode.NONE:
        return None
    completed = _complete_earlier(question)
    if completed is not None:
        return _act(completed)
    tool = best_match(prompt.callable_tools, question)
    if tool is not None:
        return _act(_prepare(tool, question))
    if prompt.tool_choice is ToolMode.REQUIRED:
        return [ToolCall(prompt.callable_tools[0].name, _prepare_anyhow(prompt.callable_tools[0], question))]
    return None


def must(question: Question) -> list[Thought]:
    """A call in any case, for a session that requires one."""
    tool = best_match(question.prompt.callable_tools, question) or question.prompt.callable_tools[0]
    return [ToolCall(tool.name, _prepare_anyhow(tool, question))]


def best_match(tools: Sequence[Tool], question: Question) -> Tool | None:
    """The function that shares most with the question, if it is enough."""
    asked = set(_meanings(question.tokens))
    best = max(tools, key=lambda tool: _score(tool, asked), default=None)
    return best if best is not None and _score(best, asked) >= _ENOUGH else None


def _score(tool: Tool, asked: set[str]) -> int:
    named = set(_meanings(_split_name(tool.name)))
    described = set(_meanings(tokenise(tool.description)))
    in_name = len(named & asked)
    if named and named <= asked:
        return _ENOUGH + _NAME_WORD * in_name + len(described & asked)
    # Without a word of the name, only a description that is nearly the question itself will do.
    in_description = len(described & asked) - (0 if in_name else 1)
    return _NAME_WORD * in_name + _DESCRIPTION_WORD * max(0, in_description)


def _meanings(words: Sequence[str]) -> Iterator[str]:
    for word in words:
        if word not in _EMPTY and not word.isdecimal() and len(word) > 1:
            yield _SAME.get(word) or _SAME.get(_stem(word)) or _stem(word)


def _stem(word: str) -> str:
    for ending in ("ing", "es", "s", "ed"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word.removesuffix(ending)
    return word


def _split_name(name: str) -> list[str]:
    return (
        re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
        .replace("_", " ")
        .replace("-", " ")
        .replace(".", " ")
        .lower()
        .split()
    )


def _act(found: "ToolCall | Asking") -> list[Thought]:
    return [found] if isinstance(found, ToolCall) else [found.question]


# -- arguments -------------------------------------------------------------------------------------------------------


def _prepare(tool: Tool, question: Question) -> ToolCall | Asking:
    known: dict[str, Any] = {}
    for name, schema in properties(tool):
        value = fill(name, schema, question)
        if value is not NOT_SAID:
            known[name] = value
    return _finish(tool, known)


def _prepare_anyhow(tool: Tool, question: Question) -> Mapping[str, Any] | str:
    prepared = _prepare(tool, question)
    if isinstance(prepared, ToolCall):
        return prepared.arguments
    guessed = {name: guess(schema, question) for name, schema in properties(tool) if name in _required(tool)}
    return {**guessed, **prepared.known}


def _finish(tool: Tool, known: Mapping[str, Any]) -> ToolCall | Asking:
    missing = next((name for name in _required(tool) if name not in known), None)
    return ToolCall(tool.name, known) if missing is None else Asking(tool, known, missing)


def _complete_earlier(question: Question) -> ToolCall | Asking | None:
    """The call that the last answer asked something for, if this is the reply to it."""
    earlier = question.earlier
    if len(earlier) < 2 or earlier[-1].role is not Role.ASSISTANT or earlier[-2].role is not Role.USER:
        return None
    before = Question(earlier[-2].text, question.prompt)
    tool = best_match(question.prompt.callable_tools, before)
    if tool is None:
        return None
    asking = _prepare(tool, before)
    # It may have been cut off by the reply.
    if not isinstance(asking, Asking) or not asking.question.startswith(earlier[-1].text.rstrip(" ?")):
        return None
    schema = dict(properties(tool)).get(asking.missing, {})
    value = fill(asking.missing, schema, question)
    value = fill_alone(schema, question) if value is NOT_SAID else value
    if value is NOT_SAID:
        return None
    return _finish(tool, {**asking.known, asking.missing: value})


def properties(tool: Tool) -> list[tuple[str, Mapping[str, Any]]]:
    """The parameters that the function's schema names, those it requires first."""
    declared = tool.parameters.get("properties")
    if not isinstance(declared, dict):
        return []
    named = [(str(name), schema if isinstance(schema, dict) else {}) for name, schema in declared.items()]
    required = _required(tool)
    return sorted(named, key=lambda each: each[0] not in required)


def _required(tool: Tool) -> list[str]:
    declared = tool.parameters.get("required")
    names = tool.parameters.get("properties")
    if not isinstance(declared, list) or not isinstance(names, dict):
        return []
    return [name for name in declared if isinstance(name, str) and name in names]
