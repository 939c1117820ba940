"""One argument of a function, by its name and JSON Schema, out of the words of a question."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from offhook_worker.agent.brain.numbers import read_number
from offhook_worker.agent.brain.question import Question, clip, tokenise


class _NotSaid:
    """The question does not tell."""


NOT_SAID: Final = _NotSaid()

_PLACES = frozenset(tokenise("city location place town country address destination origin region where state"))
_PEOPLE = frozenset(tokenise("name person contact recipient customer guest who"))
_DATES = frozenset(tokenise("date day when"))
_FREE = frozenset(tokenise("query text message question content prompt reason note description summary topic"))
_NAMES_NOTHING = frozenset(tokenise("it that there here today tomorrow me you now"))
_WEEKDAYS = tokenise("monday tuesday wednesday thursday friday saturday sunday")

_LEADING = re.compile(
    r"^(?:um|uh|well|so|it is|it's|that's|that is|in|at|for|to|near|the city of|i mean|i said|please|make it)[,\s]+",
    re.IGNORECASE,
)
_TRAILING = re.compile(
    r"[,\s]+(?:please|today|tonight|tomorrow|now|right now|currently|at the moment|this \w+|next \w+|on \w+day|like|"
    r"going to be|for me|thanks|thank you)$",
    re.IGNORECASE,
)
_PLACE_AFTER = re.compile(r"\b(?:in|at|near|for|of|to|from|around)\s+((?:the\s+)?[^\W\d_][^,.?!;]*)", re.IGNORECASE)
_PERSON_AFTER = re.compile(r"\b(?:for|to|with|named|called|under|is)\s+([A-Z][\w'-]*(?:\s+[A-Z][\w'-]*)*)")
_CAPITALISED = re.compile(r"(?<=[a-z,] )([A-Z][\w'-]*(?:\s+[A-Z][\w'-]*)*)")
_TIME = re.compile(r"\b(\d{1,2}(?::\d\d)?\s*(?:am|pm|a\.m\.|p\.m\.|o'clock)|\d{1,2}:\d\d|noon|midnight)", re.IGNORECASE)


def fill(name: str, schema: Mapping[str, Any], question: Question) -> Any:  # noqa: ANN401 - whatever JSON holds
    """The argument, or NOT_SAID."""
    options = schema.get("enum")
    if isinstance(options, list):
        return _choose(options, question)
    match _type(schema):
        case "boolean":
            return _fill_boolean(name, question)
        case "integer" | "number" as kind:
            return _fill_number(question, kind)
        case "array":
            items = schema.get("items")
            value = fill(name.removesuffix("s"), items if isinstance(items, dict) else {}, question)
            return NOT_SAID if value is NOT_SAID else [value]
        case "object":
            return NOT_SAID
        case _:
            return _fill_text(f"{name} {schema.get('description', '')}".lower(), name.lower(), question)


def fill_alone(schema: Mapping[str, Any], question: Question) -> Any:  # noqa: ANN401 - whatever JSON holds
    """The argument as the reply to "For which city?", which may be nothing but it; or NOT_SAID."""
    if isinstance(schema.get("enum"), list) or _type(schema) not in ("string", ""):
        return NOT_SAID
    return _tidy(question.text) or NOT_SAID


def guess(schema: Mapping[str, Any], question: Question) -> Any:  # noqa: ANN401 - whatever JSON holds
    """A value of the right type where one must be."""
    options = schema.get("enum")
    if isinstance(options, list) and options:
        return options[0]
    empty = {"boolean": False, "integer": 0, "number": 0, "array": [], "object": {}}
    return empty.get(_type(schema), clip(question.text))


def ask_for(name: str) -> str:
    """The question for a missing argument."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace("_", " ").replace("-", " ").lower().strip()
    return f"For which {words}?" if any(place in words for place in _PLACES | _DATES) else f"Which {words}?"


def _type(schema: Mapping[str, Any]) -> str:
    declared = schema.get("type", "")
    if isinstance(declared, list):
        declared = next((each for each in declared if each != "null"), "")
    return declared if isinstance(declared, str) else ""


def _choose(options: list[Any], question: Question) -> Any:  # noqa: ANN401 - whatever JSON holds
    said = set(question.tokens)
    for option in options:
        words = tokenise(str(option).replace("_", " ").replace("-", " "))
        if words and set(words) <= said:
            return option
    return NOT_SAID


def _fill_boolean(name: str, question: Question) -> Any:  # noqa: ANN401 - a bool or NOT_SAID
    words = set(question.tokens)
    if words & {"off", "disable", "deactivate", "without", "no", "not"}:
        return False
    if words & {"on", "enable", "activate", "with", "yes", *name.lower().split("_")}:
        return True
    return NOT_SAID


def _fill_number(question: Question, kind: str) -> Any:  # noqa: ANN401 - a number or NOT_SAID
    for at, token in enumerate(question.tokens):
        # "one" is mostly no number: "the one in Paris".
        is_article = token in ("one", "a", "an") and "number" not in question.tokens
        found = None if is_article else read_number(question.tokens, at)
        if found is not None:
            return int(found[0]) if kind == "integer" or found[0].denominator == 1 else float(found[0])
    return NOT_SAID


def _fill_text(hints: str, name: str, question: Question) -> Any:  # noqa: ANN401 - a str or NOT_SAID
    words = set(re.findall(r"[a-z]+", name.replace("_", " ")))
    if words & _DATES:
        return _find_date(question)
    if "time" in words:
        match = _TIME.search(question.text)
        return match[1] if match else NOT_SAID
    if words & _PLACES or any(place in hints for place in ("city", "location", "place")):
        return _find_place(question)
    if words & _PEOPLE:
        match = _PERSON_AFTER.search(question.text)
        return match[1] if match else NOT_SAID
    if words & _FREE:
        return clip(question.text)
    return _find_place(question)


def _find_place(question: Question) -> Any:  # noqa: ANN401 - a str or NOT_SAID
    """What follows the last "in" or the like, else a name."""
    for match in reversed(list(_PLACE_AFTER.finditer(question.text))):
        inner = re.split(r"\b(?:in|at|near|for|of)\s+", match[1])[-1]
        if place := _tidy(inner):
            return place
    named = _CAPITALISED.search(question.text)
    return _tidy(named[1]) if named and named[1] not in ("I", "I'm", "I'd") else NOT_SAID


def _find_date(question: Question) -> Any:  # noqa: ANN401 - a str or NOT_SAID
    """A day as ISO 8601 writes it."""
    now = question.prompt.now
    for word, days in (("today", 0), ("tonight", 0), ("tomorrow", 1), ("yesterday", -1)):
        if word in question.tokens:
            return (now + timedelta(days=days)).date().isoformat()
    for number, weekday in enumerate(_WEEKDAYS):
        if weekday in question.tokens:
            return (now + timedelta(days=(number - now.weekday() - 1) % 7 + 1)).date().isoformat()
    match = re.search(r"\b\d{4}-\d\d-\d\d\b", question.text)
    return match[0] if match else NOT_SAID


def _tidy(text: str) -> str:
    """Without the words around a name: "um, in Paris please" → "Paris"."""
    text = text.strip(" \t\n.,?!;:\"'")
    for pattern in (_LEADING, _TRAILING):
        while (shorter := pattern.sub("", text).strip(" .,?!")) != text:
            text = shorter
    return "" if text.lower() in _NAMES_NOTHING else clip(text, 80)
