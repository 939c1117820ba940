"""A conversation as the messages of a chat completion. Pure.

Engines keep the attention state of prompts by their prefix (vLLM's automatic prefix caching, SGLang's RadixAttention,
llama.cpp's prompt cache), so a turn must only ever add to the end: the instructions come first and stay, every item is
written the same way for ever, nothing says what time it is, and what is asked of one answer alone comes last.
"""

import base64
from collections.abc import Iterator, Sequence
from typing import Any, TypeGuard

from offhook_worker.agent.brain.interface import Prompt, Tool
from offhook_worker.conversation import FunctionCalled, Item, Message
from offhook_worker.events import ImageInput, Role, ToolResult

ChatMessage = dict[str, Any]

_ROLES = {Role.USER: "user", Role.ASSISTANT: "assistant", Role.SYSTEM: "system"}


def chat_messages(prompt: Prompt, instructions: str, max_items: int, *, images: bool) -> list[ChatMessage]:
    """The whole prompt.

    Args:
        instructions: the operator's, before the session's.
        max_items: see `recent`.
        images: whether the model takes pictures; others are told that there was one.
    """
    system = "\n\n".join(filter(None, (instructions, prompt.instructions)))
    messages = [{"role": "system", "content": system}] if system else []
    messages.extend(_history(recent(prompt.conversation, max_items), images=images))
    if prompt.directive:
        messages.append({"role": "system", "content": prompt.directive})
    return messages


def chat_tools(tools: Sequence[Tool]) -> list[dict[str, Any]]:
    """The functions, in the order in which they were declared."""
    return [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.parameters or {"type": "object", "properties": {}},
            },
        }
        for tool in tools
    ]


def recent(items: Sequence[Item], most: int) -> Sequence[Item]:
    """The last items, at most `most`.

    The oldest half of them goes at once: were it one with each turn, no prompt would begin as the one before it did.
    """
    if len(items) <= most:
        return items
    step = most // 2
    dropped = -(-(len(items) - most) // step) * step
    return items[dropped:]


def _history(items: Sequence[Item], *, images: bool) -> Iterator[ChatMessage]:
    """An answer with the functions it called is one message, their results come right behind it, as engines insist.

    A call without result yet is left out, and so is a result without a call.
    """
    results = {item.call_id: item for item in items if isinstance(item, ToolResult)}
    position = 0
    while position < len(items):
        said = items[position]
        position += 1
        if isinstance(said, ToolResult):
            continue
        calls = [said] if isinstance(said, FunctionCalled) else []
        for following in items[position:]:
            if _is_called_by(following, said):
                calls.append(following)
                position += 1
            else:
                break
        answered = [call for call in calls if call.call_id in results]
        message = _message(said, images=images)
        if answered:
            message["tool_calls"] = [_tool_call(call) for call in answered]
        if answered or message["content"]:
            yield message
        for call in answered:
            yield {"role": "tool", "tool_call_id": call.call_id, "content": results[call.call_id].output}


def _is_called_by(item: Item, said: Message | FunctionCalled) -> TypeGuard[FunctionCalled]:
    is_answer = isinstance(said, FunctionCalled) or said.role is Role.ASSISTANT
    return is_answer and isinstance(item, FunctionCalled) and item.response_id == said.response_id


def _message(said: Message | FunctionCalled, *, images: bool) -> ChatMessage:
    if isinstance(said, FunctionCalled):
        return {"role": "assistant", "content": ""}
    return {"role": _ROLES[said.role], "content": _content(said, images=images)}


def _tool_call(call: FunctionCalled) -> dict[str, Any]:
    return {"id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _content(message: Message, *, images: bool) -> str | list[dict[str, Any]]:
    if not message.images:
        return message.text
    if not images:
        return f"{message.text}\n[A picture, which you cannot see.]".strip()
    parts: list[dict[str, Any]] = [{"type": "text", "text": message.text}] if message.text else []
    parts.extend({"type": "image_url", "image_url": _image(image)} for image in message.images)
    return parts


def _image(image: ImageInput) -> dict[str, str]:
    url = f"data:{image.mime_type};base64,{base64.b64encode(image.data).decode()}"
    return {"url": url, "detail": image.detail or "auto"}
