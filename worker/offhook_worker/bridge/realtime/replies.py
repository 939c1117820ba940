"""Answers that the server gives, joined with the responses that the fabric asked for. Sans-IO."""

import secrets
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from offhook_proto.worker.v1 import worker_pb2

from offhook_worker.bridge.realtime.requests import METADATA_KEY
from offhook_worker.model import AudioFormat
from offhook_worker.outputs import Error, FunctionCall, Output, ResponseDone, Status, Transcript
from offhook_worker.replies import ResponseClock, Speech

MAX_ANSWERS = 32
"""Answers remembered; an interruption may come for one that is complete and still played."""
CHARACTERS_PER_S = 15.0
"""The words come before their sound and untimed; this is how fast they are taken to be spoken."""

_STATUSES = {"completed": Status.COMPLETED, "cancelled": Status.CANCELLED}


@dataclass(slots=True)
class Answer:
    """One of the server's.

    Attributes:
        response_id: the fabric's.
        upstream_id: the server's.
        item_id, content_index: where its audio is, in the server's terms.
        is_done, is_void: nothing more comes of it; nothing of it is wanted.
    """

    response_id: str
    upstream_id: str
    clock: ResponseClock
    item_id: str = ""
    content_index: int = 0
    characters: int = 0
    rest: bytes = b""
    is_done: bool = False
    is_void: bool = False
    called: set[str] = field(default_factory=set)

    def speak(self, pcm: bytes) -> Iterator[Output]:
        """More audio, cut into frames."""
        pcm = self.rest + pcm
        whole = len(pcm) // 2 * 2
        self.rest = pcm[whole:]
        yield from self.clock.frames(Speech(pcm[:whole]))

    def say(self, words: str) -> Transcript:
        """More words of it."""
        start_us = round(self.characters / CHARACTERS_PER_S * 1_000_000)
        self.characters += len(words)
        return Transcript(self.response_id, words, start_us)

    def call(self, call_id: str, name: str, arguments: str) -> FunctionCall | None:
        """A function that it calls; None if that was told already."""
        if call_id in self.called:
            return None
        self.called.add(call_id)
        return FunctionCall(self.response_id, call_id, name, arguments)


class Answers:
    """All answers of one call."""

    def __init__(self, output_format: AudioFormat) -> None:
        self._format = output_format
        self._asked: OrderedDict[str, worker_pb2.ResponseRequest] = OrderedDict()
        self._known: OrderedDict[str, Answer] = OrderedDict()
        self._void: set[str] = set()

    @property
    def asked(self) -> Iterable[worker_pb2.ResponseRequest]:
        """What was asked for and has not begun."""
        return self._asked.values()

    def ask(self, request: worker_pb2.ResponseRequest) -> None:
        """The fabric asks."""
        self._asked[request.response_id] = request

    def begun(self, response: Mapping[str, Any]) -> tuple[Answer, bool]:
        """The server begins; returns the answer, and whether somebody asked for it."""
        upstream_id = str(response.get("id", ""))
        metadata = response.get("metadata")
        named = metadata.get(METADATA_KEY) if isinstance(metadata, dict) else None
        response_id = named if named in self._asked else next(iter(self._asked), None)
        was_asked = response_id is not None
        if response_id is None:
            response_id = f"resp_{secrets.token_hex(12)}"
        self._asked.pop(response_id, None)
        answer = Answer(response_id, upstream_id, ResponseClock(response_id, self._format))
        answer.is_void = response_id in self._void
        self._void.discard(response_id)
        self._known[upstream_id] = answer
        while len(self._known) > MAX_ANSWERS:
            self._known.popitem(last=False)
        return answer, was_asked

    def upstream(self, upstream_id: object) -> Answer | None:
        """The answer that the server calls so."""
        return self._known.get(upstream_id) if isinstance(upstream_id, str) else None

    def named(self, response_id: str) -> Answer | None:
        """The answer that the fabric calls so."""
        return next((each for each in self._known.values() if each.response_id == response_id), None)

    def interrupt(self, response_id: str) -> Answer | None:
        """Nothing more is wanted of it; None if it has not begun."""
        answer = self.named(response_id)
        if answer is not None:
            answer.is_void = True
        elif response_id in self._asked:
            self._void.add(response_id)
        return answer

    def refused(self, response_id: str, error: Error) -> ResponseDone | None:
        """The server does not answer."""
        if self._asked.pop(response_id, None) is None:
            return None
        self._void.discard(response_id)
        return ResponseDone(response_id, Status.FAILED, error=error)

    def lost(self, error: Error) -> Iterator[Output]:
        """The connection is gone, and with it what had begun."""
        for answer in self._known.values():
            if not answer.is_done:
                answer.is_done = True
                if not answer.is_void:
                    yield ResponseDone(answer.response_id, Status.FAILED, error=error)
        self._known.clear()

    def done(self, response: Mapping[str, Any]) -> ResponseDone | None:
        """The server ends one; None if nobody waits for it."""
        answer = self.upstream(response.get("id"))
        if answer is None or answer.is_done:
            return None
        answer.is_done = True
        if answer.is_void:
            return None
        status, error = _ending(response)
        return ResponseDone(answer.response_id, status, _usage(response.get("usage")), error=error)


def _ending(response: Mapping[str, Any]) -> tuple[Status, Error | None]:
    status, details = response.get("status"), response.get("status_details")
    details = details if isinstance(details, dict) else {}
    if status in _STATUSES:
        return _STATUSES[str(status)], None
    if status == "incomplete":
        is_filtered = details.get("reason") == "content_filter"
        return Status.INCOMPLETE_CONTENT_FILTER if is_filtered else Status.INCOMPLETE_MAX_TOKENS, None
    error = details.get("error")
    return Status.FAILED, read_error(error if isinstance(error, dict) else {})


def read_error(error: Mapping[str, Any]) -> Error:
    """An error of the server's, for the caller."""
    code, message = error.get("code") or error.get("type"), error.get("message")
    return Error(
        str(code or "upstream_failed")[:64],
        str(message or "The server failed.")[:300],
        input_at_fault=error.get("type") == "invalid_request_error",
    )


def _usage(usage: object) -> worker_pb2.Usage | None:
    if not isinstance(usage, dict):
        return None
    read, written = _dict(usage.get("input_token_details")), _dict(usage.get("output_token_details"))
    return worker_pb2.Usage(
        input_text_tokens=_count(read.get("text_tokens", usage.get("input_tokens"))),
        input_audio_tokens=_count(read.get("audio_tokens")),
        input_image_tokens=_count(read.get("image_tokens")),
        input_cached_tokens=_count(read.get("cached_tokens")),
        output_text_tokens=_count(written.get("text_tokens", usage.get("output_tokens"))),
        output_audio_tokens=_count(written.get("audio_tokens")),
    )


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: object) -> int:
    return min(value, 2**31) if isinstance(value, int) and value > 0 else 0
