"""What a worker may send for one session, and when: every output of a run is held against this. Sans-IO."""

import json
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from offhook_proto.worker.v1 import worker_pb2

from offhook_worker.check.payloads import playing_time_us

_CLOCK_SLACK_US = 1_000
"""Media times are rounded; a response's frames join all the same."""


class Rule(StrEnum):
    """What is held to, as the report names it."""

    HANDSHAKE = "handshake"
    CREDIT = "output credit"
    AUDIO = "audio frames"
    RESPONSES = "order of events"
    FUNCTIONS = "function calls"
    WORDS = "transcripts"


ADVICE = {
    Rule.HANDSHAKE: "one SessionAccept or SessionReject comes first, nothing after SessionEnd or a fatal SessionError",
    Rule.CREDIT: "send audio only while output_credit_ms, plus what Credit added, less what was sent, is above 0",
    Rule.AUDIO: "set duration_us to what the payload plays, and media_time_us to where it begins within its response",
    Rule.RESPONSES: "for each response_id ResponseStarted comes first, ResponseDone with a status last, each once",
    Rule.FUNCTIONS: "a call has a call_id, a declared name and a JSON object as arguments, and is done first",
    Rule.WORDS: "let audio_start_us rise within a response, and complete each item's transcription once",
}


class Breach(NamedTuple):
    """One output that breaks a rule."""

    rule: Rule
    what: str


@dataclass
class _Response:
    started: bool = False
    spoke: bool = False
    done: bool = False
    interrupted: bool = False
    audio_end_us: int = 0
    words_us: int = 0
    calls: dict[str, str] = field(default_factory=dict)
    """Arguments of the calls that are not complete."""


class OutputRules:
    """Follows the outputs of one session.

    Args:
        opening: what the session was asked to be.
    """

    def __init__(self, opening: worker_pb2.SessionOpen) -> None:
        self._output_format = opening.output_format
        self._functions = {tool.name for tool in opening.config.tools}
        self._credit_us = opening.output_credit_ms * 1000
        self._accepted = False
        self._over = False
        self._responses: dict[str, _Response] = {}
        self._transcribed: set[str] = set()
        self.breaches: Counter[Breach] = Counter()

    def granted(self, audio_ms: int) -> None:
        """The worker was given credit."""
        self._credit_us += audio_ms * 1000

    def interrupted(self, response_id: str) -> None:
        """The worker was told to stop: what it still sends of this response is discarded, not wrong."""
        self._response(response_id).interrupted = True

    def take(self, output: worker_pb2.SessionOutput) -> None:
        """One output, in the order in which it came."""
        kind = output.WhichOneof("output")
        if kind is None:
            self._breach(Rule.HANDSHAKE, "an output has no content")
        elif self._over:
            self._breach(Rule.HANDSHAKE, f"{kind} after the session's end")
        elif kind in ("accept", "reject"):
            self._decide(kind)
        elif not self._accepted:
            self._breach(Rule.HANDSHAKE, f"{kind} before SessionAccept")
        elif kind == "end" or (kind == "error" and output.error.fatal):
            self._over = True
        else:
            self._within(kind, output)

    def _decide(self, kind: str) -> None:
        if self._accepted:
            self._breach(Rule.HANDSHAKE, f"{kind} after SessionAccept")
        self._accepted, self._over = kind == "accept", kind == "reject"

    def _within(self, kind: str, output: worker_pb2.SessionOutput) -> None:
        match kind:
            case "audio":
                self._audio(output.audio)
            case "response_started":
                self._started(output.response_started.response_id)
            case "text":
                self._belongs(output.text.response_id, kind)
            case "transcript":
                self._words(output.transcript)
            case "function_call":
                self._function(output.function_call)
            case "response_done":
                self._done(output.response_done)
            case "input_transcription":
                self._transcription(output.input_transcription)
            case "credit" if output.credit.audio_ms == 0:
                self._breach(Rule.HANDSHAKE, "Credit of 0 ms")

    def _audio(self, frame: worker_pb2.AudioFrame) -> None:
        if self._credit_us <= 0:
            self._breach(Rule.CREDIT, "audio beyond the credit")
        self._credit_us -= frame.duration_us
        plays_us = playing_time_us(frame.payload, self._output_format)
        if frame.duration_us == 0:
            self._breach(Rule.AUDIO, "a frame without duration_us")
        elif plays_us is None:
            self._breach(Rule.AUDIO, "a payload that is no audio of the session's output format")
        elif abs(plays_us - frame.duration_us) > _CLOCK_SLACK_US:
            self._breach(Rule.AUDIO, "duration_us is not what the payload plays")
        if frame.response_id and self._belongs(frame.response_id, "audio"):
            response = self._response(frame.response_id)
            if abs(frame.media_time_us - response.audio_end_us) > _CLOCK_SLACK_US:
                self._breach(Rule.AUDIO, "media_time_us does not join the frame before it")
            response.audio_end_us = frame.media_time_us + frame.duration_us

    def _started(self, response_id: str) -> None:
        response = self._response(response_id)
        if not response_id:
            self._breach(Rule.RESPONSES, "ResponseStarted without response_id")
        elif response.started:
            self._breach(Rule.RESPONSES, "ResponseStarted twice for one response")
        elif response.spoke or response.done:
            self._breach(Rule.RESPONSES, "ResponseStarted after other outputs of the response")
        response.started = True

    def _belongs(self, response_id: str, kind: str) -> bool:
        """Whether an output may come now for its response."""
        response = self._response(response_id)
        response.spoke = True
        if not response_id:
            self._breach(Rule.RESPONSES, f"{kind} without response_id")
        elif response.done and not response.interrupted:
            self._breach(Rule.RESPONSES, f"{kind} after ResponseDone")
        else:
            return True
        return False

    def _words(self, words: worker_pb2.TranscriptDelta) -> None:
        if self._belongs(words.response_id, "transcript"):
            response = self._response(words.response_id)
            if words.audio_start_us < response.words_us:
                self._breach(Rule.WORDS, "audio_start_us falls within a response")
            response.words_us = words.audio_start_us

    def _function(self, call: worker_pb2.FunctionCallDelta) -> None:
        if not self._belongs(call.response_id, "function_call"):
            return
        calls = self._response(call.response_id).calls
        if not call.call_id:
            self._breach(Rule.FUNCTIONS, "a function call without call_id")
        if call.call_id not in calls and call.name not in self._functions:
            self._breach(Rule.FUNCTIONS, "calls a function that the session does not declare")
        arguments = calls.pop(call.call_id, "") + call.arguments_delta
        if not call.done:
            calls[call.call_id] = arguments
        elif not _is_json_object(arguments):
            self._breach(Rule.FUNCTIONS, "the arguments of a call are no JSON object")

    def _done(self, done: worker_pb2.ResponseDone) -> None:
        response = self._response(done.response_id)
        if response.done and not response.interrupted:
            self._breach(Rule.RESPONSES, "ResponseDone twice for one response")
        if done.status == worker_pb2.ResponseDone.STATUS_UNSPECIFIED:
            self._breach(Rule.RESPONSES, "ResponseDone without status")
        if done.status == worker_pb2.ResponseDone.STATUS_FAILED and not done.HasField("error"):
            self._breach(Rule.RESPONSES, "ResponseDone says failed and not why (error)")
        if response.calls and not response.interrupted:
            self._breach(Rule.FUNCTIONS, "ResponseDone before a function call was complete")
        response.done = True

    def _transcription(self, words: worker_pb2.InputTranscription) -> None:
        if words.item_id in self._transcribed:
            self._breach(Rule.WORDS, "InputTranscription after the item was complete")
        if words.done and words.item_id:
            self._transcribed.add(words.item_id)

    def _response(self, response_id: str) -> _Response:
        return self._responses.setdefault(response_id, _Response())

    def _breach(self, rule: Rule, what: str) -> None:
        self.breaches[Breach(rule, what)] += 1


def _is_json_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False
