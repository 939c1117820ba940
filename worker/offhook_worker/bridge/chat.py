"""A language model behind `POST /chat/completions` as the cascade's brain."""

from collections.abc import AsyncGenerator
from typing import Any

from offhook_worker.agent.brain.interface import Prompt, Thought, ToolMode
from offhook_worker.bridge.chat_reader import BadChunk, ChatReader, EngineError
from offhook_worker.bridge.event_stream import EventStream, EventTooLong
from offhook_worker.bridge.faults import Fault
from offhook_worker.bridge.messages import chat_messages, chat_tools
from offhook_worker.bridge.settings import ChatServer
from offhook_worker.bridge.upstream import Upstream


class ChatBrain:
    """Implements `Brain`."""

    def __init__(self, server: ChatServer, upstream: Upstream) -> None:
        self._server = server
        self._upstream = upstream

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Thought, None]:
        """The answer as it is generated.

        Cancelled or closed, it closes the connection, and with it the engine's slot is free.

        Raises:
            UpstreamFault: the engine lets the answer down; what came before it stands.
        """
        body = chat_request(self._server, await self._upstream.model(), prompt)
        reader, events = ChatReader(), EventStream()
        async with self._upstream.post("chat/completions", lambda: {"json": body}) as response:
            try:
                async for received in response.content.iter_any():
                    for data in events.feed(received):
                        for thought in reader.read(data):
                            yield thought
                for data in events.finish():
                    for thought in reader.read(data):
                        yield thought
            except (BadChunk, EventTooLong) as error:
                raise self._upstream.fault(Fault.BROKEN, type(error).__name__) from error
            except EngineError as error:
                raise self._upstream.fault(Fault.FAILED, "an error within the stream") from error
            if not reader.is_complete:
                raise self._upstream.fault(Fault.BROKEN, "the stream ended early")
        for thought in reader.finish():
            yield thought


def chat_request(server: ChatServer, model: str, prompt: Prompt) -> dict[str, Any]:
    """The body of the request. Tools stay in it even where none may be called: they are part of the cached prefix."""
    body: dict[str, Any] = {
        **server.extra,
        "model": model,
        "messages": chat_messages(prompt, server.instructions, server.max_history_items, images=server.images),
        "stream": True,
        "stream_options": {"include_usage": True},
        server.max_tokens_field: prompt.max_output_tokens or server.max_output_tokens,
    }
    temperature = server.temperature if prompt.temperature is None else prompt.temperature
    if temperature is not None:
        body["temperature"] = temperature
    if prompt.tools:
        body["tools"] = chat_tools(prompt.tools)
        body["tool_choice"] = _tool_choice(prompt)
    return body


def _tool_choice(prompt: Prompt) -> str | dict[str, Any]:
    if prompt.only_tool:
        return {"type": "function", "function": {"name": prompt.only_tool}}
    return {ToolMode.AUTO: "auto", ToolMode.NONE: "none", ToolMode.REQUIRED: "required"}[prompt.tool_choice]
