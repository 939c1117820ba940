"""Text to speech behind `POST /audio/speech` as the cascade's voice: raw PCM, passed on as it comes."""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Any

from offhook_worker.bridge.engine import Engine
from offhook_worker.bridge.faults import Fault
from offhook_worker.bridge.settings import SpeechServer
from offhook_worker.replies import Speech, Word
from offhook_worker.turn import Turn
from offhook_worker.worker import Load

DEFAULT_VOICE = "alloy"
CHARACTERS_PER_S = 15.0
"""How fast a voice reads at speed 1. While a sentence still comes nobody knows how long it will be, so its words are
timed by this; whoever interrupts is credited with the words that this says were heard."""
MAX_SENTENCE_S = 120.0
_SPEECHLESS = re.compile(r"[*_#`~|<>]+")
_RIFF = b"RIFF"


class RemoteSpeaking:
    """One voice for all calls."""

    def __init__(self, server: SpeechServer, engine: Engine) -> None:
        self._server = server
        self._engine = engine
        self._upstream = engine.upstream

    async def speak(self, turn: Turn, sentence: str) -> AsyncGenerator[Speech, None]:
        """A sentence, piece by piece as the server makes it.

        Raises:
            UpstreamFault: the server lets it down.
        """
        spoken = _SPEECHLESS.sub("", sentence).strip()
        speed = turn.config.speed or 1.0
        words = SpokenWords(sentence, CHARACTERS_PER_S * speed)
        if spoken:
            body = {"json": self._request(await self._upstream.model(), turn, spoken, speed)}
            async with self._upstream.post("audio/speech", lambda: body) as response:
                async for pcm in self._samples(response.content.iter_any()):
                    yield Speech(pcm, words.during(len(pcm) / (2 * self._server.sample_rate_hz)))
        if rest := words.rest():
            yield Speech(b"", rest)

    def load(self) -> Load:
        """Of the engine."""
        return self._engine.load()

    def _request(self, model: str, turn: Turn, spoken: str, speed: float) -> dict[str, Any]:
        asked, offered = turn.config.voice, self._server.voices
        voice = asked if asked and (not offered or asked in offered) else (*offered, DEFAULT_VOICE)[0]
        body: dict[str, Any] = {"model": model, "input": spoken, "voice": voice, "response_format": "pcm"}
        if speed != 1.0:
            body["speed"] = speed
        return body

    async def _samples(self, received: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Whole samples, however the network cut them."""
        rest, total = b"", 0
        most = int(MAX_SENTENCE_S * 2 * self._server.sample_rate_hz)
        async for piece in received:
            pcm = rest + piece
            if total == 0 and pcm.startswith(_RIFF):
                raise self._upstream.fault(Fault.BROKEN, "it sends WAV where raw PCM was asked for")
            total += len(piece)
            if total > most:
                raise self._upstream.fault(Fault.BROKEN, "a sentence without end")
            whole = len(pcm) // 2 * 2
            rest = pcm[whole:]
            if whole:
                yield pcm[:whole]
        if total == 0:
            raise self._upstream.fault(Fault.BROKEN, "no sound")


class SpokenWords:
    """The words of a sentence, timed while its sound still comes. Together they are the sentence, spaces included."""

    def __init__(self, sentence: str, characters_per_s: float) -> None:
        self._words = _split(sentence)
        self._next = next(self._words, None)
        self._rate = characters_per_s
        self._characters = 0
        self._at_s = 0.0

    def during(self, duration_s: float) -> tuple[Word, ...]:
        """The words that begin in the next `duration_s` of sound; times count from its start."""
        begins_s, self._at_s = self._at_s, self._at_s + duration_s
        found = []
        while self._next is not None and (starts_s := self._characters / self._rate) < self._at_s:
            found.append(Word(self._next, round(max(0.0, starts_s - begins_s) * 1_000_000)))
            self._advance(self._next)
        return tuple(found)

    def rest(self) -> str:
        """What the sound was too short for."""
        words = []
        while self._next is not None:
            words.append(self._next)
            self._advance(self._next)
        return "".join(words)

    def _advance(self, word: str) -> None:
        self._characters += len(word)
        self._next = next(self._words, None)


def _split(sentence: str) -> Iterator[str]:
    return (match[0] for match in re.finditer(r"\s*\S+(?:\s+$)?|\s+$", sentence))
