"""What a function returned, said in sentences."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from offhook_worker.agent.brain.question import clip
from offhook_worker.conversation import FunctionCalled, Item, Message
from offhook_worker.events import Role, ToolResult

_LONGEST = 400
_MOST_FIELDS = 6
_TEXT_FIELDS = ("speech", "answer", "message", "text", "response", "reply", "summary", "result", "output")
_PLACES = ("city", "location", "place", "town", "region", "address")
_CONDITIONS = ("condition", "conditions", "weather", "sky", "description", "forecast", "summary")
_TEMPERATURE = re.compile(r"temp(?:erature)?(?:_?(c|f|celsius|fahrenheit))?$", re.IGNORECASE)


def answer(conversation: Sequence[Item]) -> list[str]:
    """The results at the end of the conversation, a sentence or more for each."""
    calls = {item.call_id: item for item in conversation if isinstance(item, FunctionCalled)}
    return [say_result(calls.get(result.call_id), result.output) for result in _latest(conversation)]


def _latest(conversation: Sequence[Item]) -> list[ToolResult]:
    """The results that no answer has followed yet."""
    found: list[ToolResult] = []
    for item in reversed(conversation):
        if isinstance(item, ToolResult):
            found.append(item)
        elif isinstance(item, Message) and item.role is Role.USER:
            break
    return found[::-1]


def say_result(call: FunctionCalled | None, output: str) -> str:
    """One result: text as it is, JSON in words."""
    try:
        content = json.loads(output)
    except (ValueError, RecursionError):
        content = output
    topic = _words(re.sub(r"^(get|fetch|find|lookup|look_up|read|check)_", "", call.name)) if call else "result"
    if isinstance(content, dict):
        return _say_object(content, topic, _arguments(call))
    said = _say_value(content)
    return _sentence(said if isinstance(content, str) and " " in said else f"The {topic} is {said}" if said else "Done")


def _say_object(content: Mapping[str, Any], topic: str, arguments: Mapping[str, Any]) -> str:
    if (fault := content.get("error")) not in (None, "", False):
        reason = fault.get("message", "") if isinstance(fault, dict) else fault
        return _sentence(f"That did not work: {_say_value(reason) or 'the function failed'}")
    weather = _say_weather(content, arguments)
    if weather is not None:
        return weather
    for name in _TEXT_FIELDS:
        if isinstance(content.get(name), str) and content[name].strip():
            return _sentence(clip(content[name], _LONGEST))
    fields = [f"{name} is {value}" for name, value in list(_fields(content))[:_MOST_FIELDS]]
    return _sentence(f"About the {topic}: {', '.join(fields)}") if fields else "Done."


def _say_weather(content: Mapping[str, Any], arguments: Mapping[str, Any]) -> str | None:
    """Such as "In Paris it is sunny and 21 degrees Celsius"; None for no weather."""
    temperature = next(((key, _TEMPERATURE.match(key)) for key in content if _TEMPERATURE.match(str(key))), None)
    if temperature is None:
        return None
    key, match = temperature
    unit = str(content.get("unit") or content.get("units") or (match[1] if match else "") or "").lower()
    scale = {"c": " Celsius", "f": " Fahrenheit"}.get(unit.strip("°")[:1], "")
    degrees = _say_value(content[key]).rstrip("°CF ")
    merged = {**arguments, **content}
    place = next((str(merged[name]) for name in _PLACES if isinstance(merged.get(name), str)), "")
    sky = next((content[name] for name in _CONDITIONS if isinstance(content.get(name), str)), "")
    where = f"In {clip(place, 60)} it" if place else "It"
    return _sentence(
        f"{where} is {clip(sky.lower(), 80)} and {degrees} degrees{scale}"
        if sky
        else f"{where} is {degrees} degrees{scale}"
    )


def _fields(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in content.items():
        name = f"{prefix} {_words(str(key))}".strip()
        if isinstance(value, dict) and not prefix:
            yield from _fields(value, name)
        elif said := _say_value(value):
            yield name, said


def _say_value(value: Any) -> str:  # noqa: ANN401 - whatever JSON holds
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int() if abs(value) >= 10**15:
            return "a very large number"
        case int() | float():
            return f"{value:.15g}".replace("-", "minus ")
        case str():
            return clip(value, _LONGEST)
        case list():
            said = [each for each in map(_say_value, value[:_MOST_FIELDS]) if each]
            return " and ".join(filter(None, (", ".join(said[:-1]), *said[-1:])))
        case dict():
            return ", ".join(f"{name} {said}" for name, said in list(_fields(value, "its"))[:_MOST_FIELDS])
        case _:
            return ""


def _arguments(call: FunctionCalled | None) -> Mapping[str, Any]:
    try:
        content = json.loads(call.arguments) if call else {}
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _words(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("_", " ").replace("-", " ").lower().strip()


def _sentence(text: str) -> str:
    capital = text[:1].upper() + text[1:]
    return capital if capital.endswith((".", "!", "?")) else f"{capital}."
