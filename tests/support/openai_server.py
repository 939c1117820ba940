"""An OpenAI-compatible HTTP server written from the published protocols, for what no engine does on demand.

Chat completions, transcriptions and speech as OpenAI, vLLM, SGLang, llama.cpp and Ollama document them, and every way
in which a server can let a client down.
"""

import asyncio
import json
import math
import struct
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.support.worker_scene import DEADLINE_S, until

SAMPLE_RATE_HZ = 24_000
KEY = "sk-test-0123456789abcdef"


@dataclass
class ChatReply:
    """How the next completion goes.

    Attributes:
        deltas: its text, chunk by chunk.
        calls: function calls as (name, pieces of its arguments).
        finish: the finish_reason.
        hold_after: after so many chunks the server waits until `go` is set.
        cut_after: after so many chunks the connection is closed.
        raw: sent as they are instead of all this.
    """

    deltas: Sequence[str] = ("Hello. ", "How are you?")
    calls: Sequence[tuple[str, Sequence[str]]] = ()
    finish: str | None = "stop"
    usage: dict[str, Any] | None = None
    hold_after: int | None = None
    cut_after: int | None = None
    raw: Sequence[bytes] | None = None
    go: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Refusal:
    """The next request is refused with this."""

    status: int
    body: str = '{"error": {"message": "no", "type": "server_error"}}'
    headers: dict[str, str] = field(default_factory=dict)


class OpenAiServer:
    """A server that does what the test tells it.

    Attributes:
        url: base of its API.
        chats: bodies of the chat requests, as they came.
        forms: fields of the transcription requests, the recording as "file".
        spoken: bodies of the speech requests.
        keys: Authorization headers of all requests.
        gone: chat requests whose client closed the connection before the end.
        peers: the addresses that connections came from.
    """

    def __init__(self) -> None:
        self.url = ""
        self.chats: list[bytes] = []
        self.forms: list[dict[str, Any]] = []
        self.spoken: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.gone = 0
        self.peers: set[object] = set()
        self.replies: deque[ChatReply | Refusal] = deque()
        self.transcripts: deque[str | bytes | Refusal] = deque()
        self.speech_refusals: deque[Refusal] = deque()
        self.speech_seconds_per_character = 1 / 15
        self.metrics = ""

    def application(self) -> web.Application:
        """Its routes."""
        application = web.Application(client_max_size=64 * 1024 * 1024)
        application.add_routes(
            [
                web.get("/v1/models", self._models),
                web.post("/v1/chat/completions", self._chat),
                web.post("/v1/audio/transcriptions", self._transcribe),
                web.post("/v1/audio/speech", self._speak),
                web.get("/metrics", self._metrics),
            ]
        )
        return application

    def chat(self, index: int = -1) -> dict[str, Any]:
        """A chat request's body."""
        body: dict[str, Any] = json.loads(self.chats[index])
        return body

    async def until_chats(self, count: int) -> None:
        """Returns when so many chat requests have come."""
        await until(lambda: len(self.chats) >= count, DEADLINE_S)

    # -- endpoints ---------------------------------------------------------------------------------------------------

    async def _models(self, request: web.Request) -> web.Response:
        self._note(request)
        return web.json_response({"object": "list", "data": [{"id": "tiny-model", "object": "model"}]})

    async def _metrics(self, _request: web.Request) -> web.Response:
        if not self.metrics:
            raise web.HTTPNotFound
        return web.Response(text=self.metrics)

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        self._note(request)
        self.chats.append(await request.read())
        reply = self.replies.popleft() if self.replies else _usual_reply(self.chat())
        if isinstance(reply, Refusal):
            return _refuse(reply)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        try:
            await self._stream(request, response, reply)
        except (ConnectionResetError, asyncio.CancelledError):
            self.gone += 1
            raise
        return response

    async def _stream(self, request: web.Request, response: web.StreamResponse, reply: ChatReply) -> None:
        for number, chunk in enumerate([*_chunks(reply), None]):
            if reply.hold_after == number:
                await reply.go.wait()
            if reply.cut_after == number:
                assert request.transport is not None
                request.transport.close()
                return
            if chunk is not None:
                await response.write(chunk)

    async def _transcribe(self, request: web.Request) -> web.StreamResponse:
        self._note(request)
        form = await request.post()
        self.forms.append(
            {name: value if isinstance(value, str) else value.file.read() for name, value in form.items()}  # type: ignore[union-attr]
        )
        given = self.transcripts.popleft() if self.transcripts else "What time is it?"
        if isinstance(given, Refusal):
            return _refuse(given)
        if isinstance(given, bytes):
            return web.Response(body=given, content_type="text/event-stream")
        return web.json_response({"text": given})

    async def _speak(self, request: web.Request) -> web.StreamResponse:
        self._note(request)
        body = await request.json()
        self.spoken.append(body)
        if self.speech_refusals:
            return _refuse(self.speech_refusals.popleft())
        response = web.StreamResponse(headers={"Content-Type": "audio/pcm"})
        await response.prepare(request)
        sound = tone(len(body["input"]) * self.speech_seconds_per_character)
        # Cut within samples, as a network does.
        for start in range(0, len(sound), 4801):
            await response.write(sound[start : start + 4801])
        await response.write_eof()
        return response

    def _note(self, request: web.Request) -> None:
        self.keys.append(request.headers.get("Authorization"))
        if request.transport is not None:
            self.peers.add(request.transport.get_extra_info("peername"))


@asynccontextmanager
async def openai_server(port: int = 0) -> AsyncIterator[OpenAiServer]:
    """A running server on 127.0.0.1."""
    server = OpenAiServer()
    runner = web.AppRunner(server.application(), handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield server
    finally:
        await runner.cleanup()


def tone(duration_s: float) -> bytes:
    """Some sound, 16-bit PCM."""
    count = round(duration_s * SAMPLE_RATE_HZ)
    return struct.pack(f"<{count}h", *(round(8000 * math.sin(index / 9)) for index in range(count)))


def event(value: object) -> bytes:
    """A server-sent event."""
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def _usual_reply(body: dict[str, Any]) -> ChatReply:
    if body.get("tool_choice") == "required":
        return ChatReply((), [(body["tools"][0]["function"]["name"], ("{}",))], finish="tool_calls")
    return ChatReply()


def _chunks(reply: ChatReply) -> list[bytes]:
    if reply.raw is not None:
        return list(reply.raw)
    chunks = [_chunk({"role": "assistant", "content": ""})]
    chunks += [_chunk({"content": delta}) for delta in reply.deltas]
    for index, (name, pieces) in enumerate(reply.calls):
        first = {"index": index, "id": f"call_{index}", "type": "function", "function": {"name": name, "arguments": ""}}
        chunks.append(_chunk({"tool_calls": [first]}))
        chunks += [_chunk({"tool_calls": [{"index": index, "function": {"arguments": each}}]}) for each in pieces]
    chunks.append(_chunk({}, reply.finish))
    if reply.usage is not None:
        chunks.append(event({"object": "chat.completion.chunk", "choices": [], "usage": reply.usage}))
    return [*chunks, b"data: [DONE]\n\n"]


def _chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return event({"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [choice]})


def _refuse(refusal: Refusal) -> web.Response:
    return web.Response(
        status=refusal.status, text=refusal.body, headers=refusal.headers, content_type="application/json"
    )
