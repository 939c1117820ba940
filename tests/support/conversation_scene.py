"""A call's model side in virtual time: a caller who speaks µ-law, a worker that is written by hand, real turn taking.

Everything between them is the transceiver's own: worker link, Realtime session, pacer, detector of speech by loudness.
"""

import asyncio
import json
from typing import Any

from offhook_proto.worker.v1 import worker_pb2 as pb

from tests.support.g711_audio import LOUD, QUIET, G711Audio
from tests.support.openai_events import check_server_event
from tests.support.realtime_scene import AGENT
from tests.support.scheduled_frames import ScheduledFrames
from tests.support.worker_scene import hello
from transceiver.calls.answer_latency import AnswerLatency
from transceiver.calls.caller_voice import CallerVoice
from transceiver.calls.formats import client_format
from transceiver.calls.input_memory import InputMemory
from transceiver.calls.model_voice import ModelVoice, VoiceListener
from transceiver.calls.worker_side import WorkerSide
from transceiver.playout.pacer import Pacer
from transceiver.realtime.session import RealtimeSession
from transceiver.realtime.transport import DATA_CHANNEL
from transceiver.sdp.reception import Reception
from transceiver.session.actions import AudioReceived, CloseReason
from transceiver.session.playout_delay import PlayoutDelay
from transceiver.turns.counters import TurnCounters
from transceiver.turns.turns import ProcessTurns
from transceiver.worker_link import LinkCounters, WorkerLinkSettings
from transceiver.worker_link.stream import WorkerStream

FRAME_S = 0.02
FRAME_US = 20_000
EVENTS = 7


class Client(ScheduledFrames):
    """Implements ClientSide: keeps what is heard, and when, and what is read."""

    id = "rtc_scene"
    codec = "PCMU"
    clock_rate = 8000
    may_have_events = True
    event_channel_id = EVENTS
    reception = Reception()
    fraction_lost = 0.0

    def __init__(self) -> None:
        super().__init__(asyncio.get_running_loop().time)
        self.events: list[dict[str, Any]] = []
        self.ended: CloseReason | None = None

    def follow(self, delay: PlayoutDelay, *, reorder: bool) -> None: ...

    def send_audio(self, payload: bytes, rtp_timestamp: int, marker: bool) -> None:
        raise AssertionError("a model's audio is scheduled")

    def send_event(self, event: str) -> None:
        received = json.loads(event)
        check_server_event(received)
        self.events.append(received)

    def send_message(self, channel_id: int, data: str | bytes) -> None:
        raise AssertionError("only events are sent here")

    def end(self, reason: CloseReason) -> None:
        self.ended = reason

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        """The events of one kind so far."""
        return [event for event in self.events if event["type"] == kind]


class ConversationScene:
    """One call, connected and with its event channel open."""

    def __init__(self, given: dict[str, Any] | None = None) -> None:
        loop = asyncio.get_running_loop()
        self.client = Client()
        self.latency = AnswerLatency()
        self.inputs: list[pb.SessionInput] = []
        self._stream = WorkerStream(
            WorkerLinkSettings(), LinkCounters(), waker=self, on_change=lambda: None, now=loop.time()
        )
        self._stream.receive(pb.ConnectResponse(hello=hello("agent")), loop.time())
        session = RealtimeSession(AGENT, DATA_CHANNEL, given or {}, now=loop.time(), unix_time=1_800_000_000)
        memory = InputMemory(lambda: session.audio_needed_from_us)
        turns = ProcessTurns(ears=None, questions=None, counters=TurnCounters())
        ear = CallerVoice(self.client, audio=G711Audio(), turns=turns, memory=memory)
        self.side = WorkerSide(self.client, session, ear, self._open_voice, latency=self.latency, now=loop.time)
        own = client_format("PCMU", 8000)
        opening = pb.SessionOpen(
            call_id=self.client.id,
            model="agent",
            input_format=own,
            output_format=own,
            config=session.worker_config(),
            output_credit_ms=10_000,
        )
        worker = self._stream.open(opening, self.side, decided=lambda verdict: None)
        self._number = worker.number
        self.worker_sends(accept=pb.SessionAccept(input_credit_ms=60_000))
        self.side.join(worker)
        self.side.connected()
        self.side.events_opened()
        self._timestamp = 0

    def _open_voice(self, listener: VoiceListener) -> ModelVoice:
        loop = asyncio.get_running_loop()
        return ModelVoice(self.client, lambda ready: Pacer(8000, max_buffered_ms=10_000), listener, now=loop.time)

    # Waker

    def wake_now(self) -> None:
        """The link has something to send: the worker reads it at once."""
        while (request := self._stream.take_request()) is not None:
            self.inputs.extend(request.inputs)

    def wake_at_tick(self) -> None:
        """The same; nobody waits here."""
        self.wake_now()

    # The worker

    def told(self, kind: str) -> list[Any]:
        """What the worker was told of one kind."""
        return [getattr(each, kind) for each in self.inputs if each.WhichOneof("input") == kind]

    def worker_sends(self, **output: Any) -> None:  # noqa: ANN401 - a message of the protocol
        """The worker sends an output."""
        message = pb.SessionOutput(session=self._number, **output)
        self._stream.receive(pb.ConnectResponse(outputs=[message]), asyncio.get_running_loop().time())

    def worker_says(self, response_id: str, words: list[str], frames_per_word: int) -> None:
        """The worker speaks, all at once; frame n of the response is n in its first byte."""
        frame = 0
        for word in words:
            start_us = frame * FRAME_US
            self.worker_sends(
                transcript=pb.TranscriptDelta(response_id=response_id, delta=word, audio_start_us=start_us)
            )
            for _ in range(frames_per_word):
                payload = bytes([frame]) + QUIET[1:]
                self.worker_sends(
                    audio=pb.AudioFrame(
                        payload=payload,
                        media_time_us=frame * FRAME_US,
                        duration_us=FRAME_US,
                        response_id=response_id,
                    )
                )
                frame += 1
        self.worker_sends(
            response_done=pb.ResponseDone(response_id=response_id, status=pb.ResponseDone.STATUS_COMPLETED)
        )

    # The caller

    def sends(self, kind: str, **fields: object) -> None:
        """The client sends an event."""
        self.side.message(EVENTS, json.dumps({"type": kind, **fields}))

    async def speaks(self, seconds: float) -> None:
        """The caller is loud."""
        await self._sounds(LOUD, seconds)

    async def is_silent(self, seconds: float) -> None:
        """The caller is not."""
        await self._sounds(QUIET, seconds)

    async def _sounds(self, payload: bytes, seconds: float) -> None:
        for _ in range(round(seconds / FRAME_S)):
            frame = AudioReceived(payload, "PCMU", self._timestamp, self._timestamp // 160, False, None, 0)
            self._timestamp += 160
            self.side.audio(frame)
            await asyncio.sleep(FRAME_S)
