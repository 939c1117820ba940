"""What all models of the API's JSON share: strict types, and OpenAI's words for what is wrong."""

from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from transceiver.realtime.errors import EventError


class Strict(BaseModel):
    """Refuses unknown fields and converts nothing: "1" is no number."""

    model_config = ConfigDict(extra="forbid", strict=True)


M = TypeVar("M")

MAX_DEPTH = 64

_EXPECTED = {
    "string": "a string",
    "int": "an integer",
    "float": "a decimal",
    "bool": "a boolean",
    "list": "an array of items",
    "dict": "an object",
    "model": "an object",
}
_JSON_NAMES = {
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a decimal",
    list: "an array",
    dict: "an object",
    type(None): "null",
}
_BOUNDS = {
    "greater_than_equal": ("below_min_value", "below minimum value", ">=", "ge"),
    "less_than_equal": ("above_max_value", "above maximum value", "<=", "le"),
}
# Steps of pydantic's error locations that are no field: branches of unions.
_BRANCHES = frozenset({"int", "str", "float", "bool", "list", "dict"})


def read(model: TypeAdapter[M], value: object, path: str) -> M:
    """Validates `value`, which stands at `path` in the client's event.

    Raises:
        EventError: with OpenAI's code, and the path of the first fault as `param`.
    """
    try:
        return model.validate_python(value)
    except ValidationError as error:
        raise _event_error(error, path) from None


def check_depth(value: object, path: str) -> None:
    """Raises EventError where JSON data is nested deeper than anything sane: what reads it further may recurse."""
    level: list[object] = [value]
    for _ in range(MAX_DEPTH):
        below: list[object] = []
        for each in level:
            if isinstance(each, dict):
                below.extend(each.values())
            elif isinstance(each, list):
                below.extend(each)
        if not below:
            return
        level = below
    raise EventError(f"Invalid '{path}': nested deeper than {MAX_DEPTH} levels.", code="invalid_value", param=path)


def _event_error(error: ValidationError, path: str) -> EventError:
    # The innermost fault says most: of a union's branches, the one that matched furthest.
    fault = max(error.errors(include_url=False), key=lambda each: len(each["loc"]))
    where = _path(path, fault["loc"])
    kind, context, given = fault["type"], fault.get("ctx", {}), fault.get("input")
    if kind == "extra_forbidden":
        return EventError(f"Unknown parameter: '{where}'.", code="unknown_parameter", param=where)
    if kind in {"missing", "union_tag_not_found"}:
        where += ".type" if kind == "union_tag_not_found" else ""
        return EventError(f"Missing required parameter: '{where}'.", code="missing_required_parameter", param=where)
    if kind in {"literal_error", "union_tag_invalid"}:
        return _unsupported(where, kind, context, given)
    if kind in _BOUNDS:
        return _out_of_bounds(where, kind, context, given)
    expected = _EXPECTED.get(kind.removesuffix("_type"))
    if expected is not None:
        message = f"Invalid type for '{where}': expected {expected}, but got {_json_name(given)} instead."
        return EventError(message, code="invalid_type", param=where)
    return EventError(f"Invalid '{where}': {fault['msg'].lower()}.", code="invalid_value", param=where)


def _unsupported(where: str, kind: str, context: dict[str, Any], given: object) -> EventError:
    if kind == "union_tag_invalid":
        where, given = f"{where}.type", context.get("tag")
        supported = str(context.get("expected_tags", ""))
    else:
        supported = str(context.get("expected", "")).replace(" or ", ", ")
    message = f"Invalid value: '{str(given)[:64]}'. Supported values are: {supported}."
    return EventError(message, code="invalid_value", param=where)


def _out_of_bounds(where: str, kind: str, context: dict[str, Any], given: object) -> EventError:
    code, words, sign, bound = _BOUNDS[kind]
    number = "integer" if isinstance(given, int) else "decimal"
    message = (
        f"Invalid '{where}': {number} {words}. Expected a value {sign} {context.get(bound)}, but got {given} instead."
    )
    return EventError(message, code=f"{number}_{code}", param=where)


def _json_name(value: object) -> str:
    return _JSON_NAMES.get(type(value), "something else")


def _path(root: str, location: Sequence[int | str]) -> str:
    """`item.content[0].text` of ("content", 0, "text"), without the branches of unions between."""
    path = root
    for step in location:
        if isinstance(step, int):
            path += f"[{step}]"
        elif step in _BRANCHES or step in UNION_TAGS or not step.isidentifier():
            continue
        else:
            path += f".{step}" if path else step
    return path


UNION_TAGS: frozenset[str] = frozenset(
    {
        *("message", "user", "system", "assistant", "function_call", "function_call_output", "item_reference"),
        *("input_text", "input_audio", "input_image", "output_text", "output_audio"),
        *("server_vad", "semantic_vad", "function", "mcp", "mcp_approval_response"),
    }
)
"""Values of `type` and `role` that name a union's branch; no field has such a name."""
