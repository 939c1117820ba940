"""A Realtime session in virtual time: a client, a worker and a playout that the test moves by hand.

Every event that the client gets is held against the official SDK's models.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from offhook_proto.worker.v1 import worker_pb2 as pb

from tests.support.openai_events import check_server_event
from transceiver.realtime.effects import (
    Discard,
    Effect,
    FlushPlayout,
    Play,
    SendEvent,
    SendToWorker,
)
from transceiver.realtime.model import ModelTraits
from transceiver.realtime.quota import UNLIMITED, Quota
from transceiver.realtime.session import RealtimeSession
from transceiver.realtime.transport import DATA_CHANNEL, Transport

AGENT = ModelTraits("agent", converses=True, detects_turns=False, sees_images=True)
ECHO = ModelTraits("echo", converses=False, detects_turns=False, sees_images=False)
DUPLEX = ModelTraits("duplex", converses=True, detects_turns=True, sees_images=False)
FRAME_US = 20_000


@dataclass
class _Queue:
    """What playout holds of one response."""

    queued_us: int = 0
    played_us: int = 0


@dataclass
class RealtimeScene:
    """One session. `events` and `inputs` collect what the client and the worker got; `take` empties the first."""

    given: Mapping[str, Any] = field(default_factory=dict)
    model: ModelTraits = AGENT
    transport: Transport = DATA_CHANNEL
    now: float = 100.0
    quota: Quota = UNLIMITED

    def __post_init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.inputs: list[pb.SessionInput] = []
        self.effects: list[Effect] = []
        self.playout: dict[str, _Queue] = {}
        self.discarded_us = 0
        self.session = RealtimeSession(
            self.model, self.transport, self.given, now=self.now, unix_time=1_800_000_000.0, quota=self.quota
        )

    # The client

    def open(self) -> "RealtimeScene":
        """The client's channel opens; its first events are put aside."""
        self.session.open(self.now)
        self.run()
        self.take()
        return self

    def send(self, kind: str, **fields: object) -> list[dict[str, Any]]:
        """The client sends an event; the events it gets at once."""
        self.session.client_event({"type": kind, **fields}, self.now)
        return self.run()

    def take(self) -> list[dict[str, Any]]:
        """The events so far, which are forgotten."""
        events, self.events = self.events, []
        return events

    def told(self, kind: str) -> list[Any]:
        """What the worker was told of one kind."""
        return [getattr(each, kind) for each in self.inputs if each.WhichOneof("input") == kind]

    # The caller

    def says(self, start_us: int, end_us: int) -> list[dict[str, Any]]:
        """The caller's turn, as turn taking finds it."""
        self.session.audio_received(end_us)
        self.session.speech_started(start_us, self.now)
        self.session.speech_stopped(end_us, self.now)
        return self.run()

    def interrupts(self, start_us: int) -> list[dict[str, Any]]:
        """The caller begins to speak."""
        self.session.audio_received(start_us)
        self.session.speech_started(start_us, self.now)
        return self.run()

    # The worker

    def worker(self, **output: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - a message of the protocol
        """The worker sends an output."""
        self.session.worker_output(pb.SessionOutput(**output), self.now)
        return self.run()

    def speaks(self, response_id: str, text: str, frames: int, start_us: int = 0) -> list[dict[str, Any]]:
        """The worker sends words and their audio, faster than real time."""
        words = pb.TranscriptDelta(response_id=response_id, delta=text, audio_start_us=start_us)
        events = self.worker(transcript=words)
        for index in range(frames):
            events += self.worker(audio=audio(response_id, start_us + index * FRAME_US))
        return events

    def calls(
        self, response_id: str, call_id: str, name: str, arguments: str, *, done: bool = True
    ) -> list[dict[str, Any]]:
        """The worker calls a function."""
        delta = pb.FunctionCallDelta(
            response_id=response_id, call_id=call_id, name=name, arguments_delta=arguments, done=done
        )
        return self.worker(function_call=delta)

    def finishes(self, response_id: str, **fields: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - as above
        """The worker's ResponseDone."""
        status = fields.pop("status", pb.ResponseDone.STATUS_COMPLETED)
        return self.worker(response_done=pb.ResponseDone(response_id=response_id, status=status, **fields))

    @property
    def asked(self) -> pb.ResponseRequest:
        """The last ResponseRequest."""
        request: pb.ResponseRequest = self.told("response_request")[-1]
        return request

    # Playout and time

    def plays(self, response_id: str, frames: int = 1) -> list[dict[str, Any]]:
        """So many frames of a response leave."""
        queue = self.playout[response_id]
        played = min(queue.queued_us, frames * FRAME_US)
        queue.queued_us -= played
        queue.played_us += played
        self.now += played / 1e6
        self.session.played(response_id, drained=queue.queued_us == 0, now=self.now)
        return self.run()

    def waits(self, seconds: float) -> list[dict[str, Any]]:
        """Time passes."""
        self.now += seconds
        self.session.handle_timeout(self.now)
        return self.run()

    def run(self) -> list[dict[str, Any]]:
        """Performs what the session wants done; the events for the client."""
        before = len(self.events)
        while effects := self.session.take_effects():
            for effect in effects:
                self._perform(effect)
        return self.events[before:]

    def _perform(self, effect: Effect) -> None:
        self.effects.append(effect)
        match effect:
            case SendEvent(event):
                check_server_event(event)
                self.events.append(event)
            case SendToWorker(message):
                self.inputs.append(message)
            case Play(frame, response_id):
                self.playout.setdefault(response_id, _Queue()).queued_us += frame.duration_us
            case FlushPlayout(response_id):
                queue = self.playout.setdefault(response_id, _Queue())
                queue.queued_us = 0
                self.session.playout_flushed(response_id, queue.played_us, self.now)
            case Discard(duration_us):
                self.discarded_us += duration_us


def audio(response_id: str, media_time_us: int = 0) -> pb.AudioFrame:
    """20 ms of a response."""
    return pb.AudioFrame(
        payload=b"\x00\x01" * 480, media_time_us=media_time_us, duration_us=FRAME_US, response_id=response_id
    )


def kinds(events: list[dict[str, Any]]) -> list[str]:
    """The types of events, in order."""
    return [event["type"] for event in events]
