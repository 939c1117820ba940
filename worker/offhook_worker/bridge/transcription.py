"""Speech to text behind `POST /audio/transcriptions` as the cascade's ear.

The answer is read as it streams: OpenAI's `transcript.text.delta` events, vLLM's `transcription.chunk`, or the plain
JSON of a server that streams nothing.
"""

import io
import json
import wave
from collections.abc import Hashable
from typing import Any

import aiohttp
from aiohttp import FormData

from offhook_worker.agent.ear import Ear
from offhook_worker.agent.hearing import SAMPLE_RATE_HZ, Drafted, Samples
from offhook_worker.agent.pauses import without_silence
from offhook_worker.agent.pool import PoolFull, Urgency
from offhook_worker.bridge.engine import Engine
from offhook_worker.bridge.event_stream import EventStream, EventTooLong
from offhook_worker.bridge.faults import Fault, UpstreamFault
from offhook_worker.bridge.settings import TranscriptionServer
from offhook_worker.bridge.upstream import Upstream
from offhook_worker.dialogue import Dialogue
from offhook_worker.samples import to_pcm
from offhook_worker.turn import Listener
from offhook_worker.worker import Load

MAX_TRANSCRIPT = 64 * 1024
AHEAD_SHARE = 0.5
"""Of the connections, for work that may turn out useless."""


class RemoteHearing:
    """One ear for each call, all on one pool of connections."""

    def __init__(self, server: TranscriptionServer, engine: Engine) -> None:
        self._server = server
        self._engine = engine

    def listen(self, dialogue: Dialogue, drafted: Drafted) -> Listener:
        """A new call's ear."""
        return Ear(dialogue, _CallTranscriber(self._server, self._engine.upstream, dialogue), drafted)

    def load(self) -> Load:
        """Of the engine."""
        return self._engine.load()


class _CallTranscriber:
    """Implements `SpeechToText` for one call."""

    def __init__(self, server: TranscriptionServer, upstream: Upstream, dialogue: Dialogue) -> None:
        self._server = server
        self._upstream = upstream
        self._dialogue = dialogue

    async def write_down(self, owner: Hashable, samples: Samples, urgency: Urgency) -> str:
        """What is said in `samples`.

        Raises:
            PoolFull: the work is ahead of time, and enough such work is under way, or the server failed at it.
            UpstreamFault: the server lets the turn down.
        """
        heard = without_silence(samples, SAMPLE_RATE_HZ)
        if not len(heard):
            return ""
        if urgency is Urgency.CALLER_WAITS:
            return await self._transcribe(heard)
        if not self._server.ahead or self._upstream.in_flight >= self._server.connections * AHEAD_SHARE:
            raise PoolFull
        try:
            return await self._transcribe(heard)
        except UpstreamFault as fault:
            raise PoolFull from fault

    def hurry(self, owner: Hashable) -> None:
        """Nothing waits here."""

    async def _transcribe(self, samples: Samples) -> str:
        wanted = self._dialogue.session.config.transcription
        fields = {
            "model": await self._upstream.model(),
            "response_format": "json",
            "stream": "true",
            "language": (wanted.language or self._server.language).partition("-")[0],
            "prompt": wanted.prompt,
        }
        recording = wav(samples)
        async with self._upstream.post("audio/transcriptions", lambda: _form(fields, recording)) as response:
            return await self._read(response)

    async def _read(self, response: aiohttp.ClientResponse) -> str:
        if response.content_type != "text/event-stream":
            text = (await self._upstream.read_json(response)).get("text")
            if not isinstance(text, str):
                raise self._upstream.fault(Fault.BROKEN, "no text")
            return text.strip()
        reader, events = TranscriptReader(), EventStream()
        try:
            async for received in response.content.iter_any():
                for data in events.feed(received):
                    reader.read(data)
            for data in events.finish():
                reader.read(data)
        except (ValueError, EventTooLong) as error:
            raise self._upstream.fault(Fault.BROKEN, type(error).__name__) from error
        if not reader.is_complete:
            raise self._upstream.fault(Fault.BROKEN, "the stream ended early")
        return reader.text.strip()


class TranscriptReader:
    """A streamed transcript. Sans-IO.

    Attributes:
        text: what there is so far.
        is_complete: the server said that this is all.
    """

    def __init__(self) -> None:
        self.text = ""
        self.is_complete = False

    def read(self, data: str) -> None:
        """One event's data. Raises ValueError for one that is none, and for an error of the server's."""
        if data == "[DONE]":
            self.is_complete = True
            return
        event = json.loads(data)
        if not isinstance(event, dict) or event.get("error"):
            raise ValueError("no event of a transcript")
        if event.get("type") == "transcript.text.done":
            self.text, self.is_complete = str(event.get("text", self.text)), True
        elif event.get("type") == "transcript.text.delta":
            self.text += str(event.get("delta", ""))
        else:
            self._read_chunk(event)
        if len(self.text) > MAX_TRANSCRIPT:
            raise ValueError("a transcript without end")

    def _read_chunk(self, chunk: dict[str, Any]) -> None:
        choices = chunk.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
        delta = choice.get("delta")
        if isinstance(delta, dict) and isinstance(delta.get("content"), str):
            self.text += delta["content"]
        self.is_complete = self.is_complete or choice.get("finish_reason") is not None


def wav(samples: Samples) -> bytes:
    """A recording of 16-bit samples, which every server reads."""
    file = io.BytesIO()
    with wave.open(file, "wb") as recording:
        recording.setnchannels(1)
        recording.setsampwidth(2)
        recording.setframerate(SAMPLE_RATE_HZ)
        recording.writeframes(to_pcm(samples))
    return file.getvalue()


def _form(fields: dict[str, str], recording: bytes) -> dict[str, Any]:
    form = FormData()
    for name, value in fields.items():
        if value:
            form.add_field(name, value)
    form.add_field("file", recording, filename="turn.wav", content_type="audio/wav")
    return {"data": form}
