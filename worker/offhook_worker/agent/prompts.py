"""From a turn of the SDK to a brain's prompt."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime

from offhook_proto.worker.v1 import worker_pb2

from offhook_worker.agent.brain.interface import Prompt, Reminder, Tool, ToolMode
from offhook_worker.conversation import FunctionCalled, Item, Message
from offhook_worker.turn import Turn

_MODES = {
    worker_pb2.ToolChoice.MODE_NONE: ToolMode.NONE,
    worker_pb2.ToolChoice.MODE_REQUIRED: ToolMode.REQUIRED,
    worker_pb2.ToolChoice.MODE_FUNCTION: ToolMode.REQUIRED,
}


def read_prompt(turn: Turn, reminders: Sequence[Reminder]) -> Prompt:
    """What the turn asks of a brain."""
    config, usual = turn.config, turn.session.config.instructions
    is_one = config.tool_choice.mode == worker_pb2.ToolChoice.MODE_FUNCTION
    return Prompt(
        conversation=turn.conversation,
        now=datetime.now().astimezone(),
        instructions=usual,
        directive=config.instructions if config.instructions != usual else "",
        tools=tuple(read_tools(config)),
        tool_choice=_MODES.get(config.tool_choice.mode, ToolMode.AUTO),
        only_tool=config.tool_choice.name if is_one else "",
        temperature=config.temperature if config.HasField("temperature") else None,
        max_output_tokens=config.max_output_tokens,
        reminders=reminders,
    )


def read_tools(config: worker_pb2.SessionConfig) -> Iterator[Tool]:
    """The functions that the session declares; one whose schema is no JSON object takes no arguments."""
    for tool in config.tools:
        try:
            parameters = json.loads(tool.parameters_json or "{}")
        except ValueError:
            parameters = {}
        yield Tool(tool.name, tool.description, parameters if isinstance(parameters, dict) else {})


def count_words(conversation: Sequence[Item], instructions: str) -> int:
    """What a brain of rules reads, in words: its tokens."""
    texts = [instructions]
    for item in conversation:
        if isinstance(item, Message):
            texts.append(item.text)
        else:
            texts.append(item.arguments if isinstance(item, FunctionCalled) else item.output)
    return sum(len(text.split()) for text in texts)
