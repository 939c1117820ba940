"""What a worker says reaches the client whole, whenever it is said, and the worker learns what was heard."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from offhook_proto.worker.v1 import worker_pb2 as pb

from tests.support.realtime_scene import ECHO
from tests.support.scheduled_frames import ScheduledFrames
from tests.support.virtual_loop import run_in_virtual_time
from tests.support.worker_scene import HandWorker, hand_worker, hello, open_session, pool_of, until
from transceiver.calls.answer_latency import AnswerLatency
from transceiver.calls.caller_voice import CallerVoice
from transceiver.calls.input_memory import InputMemory
from transceiver.calls.model_voice import ModelVoice, VoiceListener
from transceiver.calls.worker_side import WorkerSide
from transceiver.playout.pacer import Pacer
from transceiver.realtime.session import RealtimeSession
from transceiver.realtime.transport import DATA_CHANNEL
from transceiver.sdp.reception import Reception
from transceiver.session.actions import AudioReceived, CloseReason, KeyPressed
from transceiver.session.playout_delay import PlayoutDelay
from transceiver.worker_link import LostReason

FRAME_MS = 20


class RecordingClient(ScheduledFrames):
    """A client side that keeps what it is told. Its event channel, number 1, is open from `reads_events` on."""

    id = "rtc_test"
    codec = "opus"
    clock_rate = 48_000
    may_have_events = True
    reception = Reception()
    fraction_lost = 0.0

    def __init__(self) -> None:
        super().__init__(asyncio.get_running_loop().time)
        self.events: list[dict[str, Any]] = []
        self.reads_events = False
        self.end_reasons: list[CloseReason] = []

    @property
    def event_channel_id(self) -> int | None:
        return 1 if self.reads_events else None

    def follow(self, delay: PlayoutDelay, *, reorder: bool) -> None:
        raise AssertionError("nothing is decoded here")

    def send_audio(self, payload: bytes, rtp_timestamp: int, marker: bool) -> None:
        raise AssertionError("a model's audio is scheduled")

    def send_event(self, event: str) -> None:
        assert self.reads_events
        self.events.append(json.loads(event))

    def send_message(self, channel_id: int, data: str | bytes) -> None:
        raise AssertionError("no message is sent here")

    def end(self, reason: CloseReason) -> None:
        self.end_reasons.append(reason)


class Scene:
    """A worker side whose worker is written by hand, over a real stream."""

    def __init__(self, worker: HandWorker, client: RecordingClient, side: WorkerSide, number: int) -> None:
        self.worker = worker
        self.client = client
        self.side = side
        self._number = number
        self._media_us = 0

    async def say(self, *payloads: bytes, response_id: str = "r1") -> None:
        """The worker sends frames of 20 ms in one message."""
        outputs = []
        for payload in payloads:
            frame = pb.AudioFrame(
                payload=payload, media_time_us=self._media_us, duration_us=FRAME_MS * 1000, response_id=response_id
            )
            outputs.append(pb.SessionOutput(session=self._number, audio=frame))
            self._media_us += FRAME_MS * 1000
        await self.worker.send(*outputs)

    async def end(self) -> None:
        """The worker's code returns."""
        await self.worker.send(pb.SessionOutput(session=self._number, end=pb.SessionEnd()))

    async def flush(self) -> None:
        """The worker takes back what has not been played."""
        await self.worker.send(pb.SessionOutput(session=self._number, flush=pb.Flush()))

    @property
    def positions(self) -> list[tuple[str, int]]:
        """Playout positions the worker was told."""
        return [(each.playout.response_id, each.playout.played_us) for each in self.worker.of_kind("playout")]

    @property
    def granted_ms(self) -> int:
        """Output credit the worker was given after the opening."""
        return sum(each.credit.audio_ms for each in self.worker.of_kind("credit"))


@asynccontextmanager
async def scene(*early: bytes) -> AsyncIterator[Scene]:
    """An open session whose client is not there yet; `early` was said in the very message that accepted it."""
    async with hand_worker(hello("model")) as (worker, address), pool_of([address]) as pool:
        client = RecordingClient()
        now = asyncio.get_running_loop().time
        session = RealtimeSession(ECHO, DATA_CHANNEL, {}, now=now(), unix_time=0)
        ear = CallerVoice(client, audio=None, turns=None, memory=InputMemory(lambda: None))

        def open_voice(listener: VoiceListener) -> ModelVoice:
            return ModelVoice(client, lambda ready: Pacer(48_000, max_buffered_ms=1000), listener, now=now)

        side = WorkerSide(client, session, ear, open_voice, latency=AnswerLatency(), now=now)
        opening = asyncio.ensure_future(open_session(pool, side, model="model"))
        await until(lambda: bool(worker.of_kind("open")))
        number = worker.of_kind("open")[0].session
        made = Scene(worker, client, side, number)
        accept = pb.SessionOutput(session=number, accept=pb.SessionAccept(input_credit_ms=1000))
        frames = [pb.AudioFrame(payload=each, duration_us=FRAME_MS * 1000, response_id="r1") for each in early]
        await worker.send(accept, *(pb.SessionOutput(session=number, audio=frame) for frame in frames))
        side.join(await opening)
        yield made
        side.close(CloseReason.HANGUP)


async def test_a_greeting_said_with_the_accept_is_heard_whole_once_the_client_is_there() -> None:
    async with scene(b"hello", b"you") as call:
        await call.say(b"there")
        assert call.client.heard == []
        call.side.connected()
        await until(lambda: len(call.client.heard) == 3)
        assert call.client.heard == [b"hello", b"you", b"there"]


async def test_the_worker_learns_that_a_short_answer_was_heard_to_its_end() -> None:
    async with scene() as call:
        call.side.connected()
        await call.say(b"yes", b"sir")
        await until(lambda: ("r1", 2 * FRAME_MS * 1000) in call.positions)
        await until(lambda: call.granted_ms == 2 * FRAME_MS)


def test_the_position_is_that_of_the_answer_being_played_not_of_the_newest() -> None:
    positions: list[tuple[str, int]] = []

    class Listener:
        def voice_position(self, response_id: str, played_us: int, received_us: int, buffered_ms: int) -> None:
            positions.append((response_id, played_us))

        def voice_played(self, response_id: str, *, drained: bool) -> None:
            pass

        def voice_credit(self, audio_ms: int) -> None:
            pass

        def voice_over(self) -> None:
            pass

    async def two_answers() -> None:
        now = asyncio.get_running_loop().time
        listener = Listener()
        voice = ModelVoice(RecordingClient(), lambda ready: Pacer(48_000, max_buffered_ms=1000), listener, now=now)
        voice.connected()
        for number in range(24):
            response_id = "r1" if number < 12 else "r2"
            voice.push(pb.AudioFrame(payload=b"a", duration_us=FRAME_MS * 1000, response_id=response_id), response_id)
        await asyncio.sleep(1)
        voice.close()

    run_in_virtual_time(two_answers())
    first = [played_us for response_id, played_us in positions if response_id == "r1"]
    second = [played_us for response_id, played_us in positions if response_id == "r2"]
    assert positions == [*(("r1", each) for each in first), *(("r2", each) for each in second)]
    assert first
    assert second[-1] == 12 * FRAME_MS * 1000
    assert [*first, *second] == [*sorted(first), *sorted(second)]


async def test_credit_comes_back_for_what_was_flushed() -> None:
    async with scene(*[b"a"] * 5) as call:
        await call.flush()
        await until(lambda: call.granted_ms == 5 * FRAME_MS)
        call.side.connected()
        await call.say(b"b")
        await until(lambda: bool(call.client.heard))
        assert call.client.heard == [b"b"]


async def test_a_worker_that_ends_is_heard_out() -> None:
    async with scene() as call:
        call.side.connected()
        await call.say(b"good", b"bye")
        await call.end()
        await until(lambda: bool(call.client.end_reasons))
        assert call.client.heard == [b"good", b"bye"]
        assert call.client.end_reasons == [CloseReason.WORKER_ENDED]


async def test_a_worker_that_ends_without_a_word_ends_the_call() -> None:
    async with scene() as call:
        await call.end()
        await until(lambda: call.client.end_reasons == [CloseReason.WORKER_ENDED])


async def test_the_caller_is_told_that_the_worker_is_lost() -> None:
    async with scene(b"hello") as call:
        call.client.reads_events = True
        call.side.events_opened()
        call.side.worker_lost(LostReason.STREAM_ENDED)
        assert call.client.events[-1]["error"]["code"] == "worker_lost"
        assert call.client.end_reasons == [CloseReason.WORKER_LOST]


async def test_events_of_a_greeting_wait_for_the_client_to_open_its_channel() -> None:
    async with scene(b"hello") as call:
        await call.end()
        call.side.connected()
        await until(lambda: call.client.heard == [b"hello"])
        call.client.reads_events = True
        call.side.events_opened()
        kinds = [event["type"] for event in call.client.events]
        assert kinds[:3] == ["session.created", "conversation.created", "response.created"]
        assert "output_audio_buffer.started" in kinds


async def test_nothing_is_played_after_the_call_is_over() -> None:
    async with scene() as call:
        call.side.connected()
        await call.say(*[b"a"] * 10)
        await until(lambda: bool(call.client.heard))
        call.side.close(CloseReason.HANGUP)
        heard = len(call.client.heard)
        await until(lambda: bool(call.worker.of_kind("close")))
        assert len(call.client.heard) == heard


async def test_a_key_press_reaches_the_worker_in_its_place_among_the_frames() -> None:
    async with scene() as call:
        call.side.audio(AudioReceived(b"\x08voice", "opus", 0, 1, False, None, 0))
        call.side.key_pressed(KeyPressed("#", 120))
        await until(lambda: bool(call.worker.of_kind("dtmf")))
        assert [each.WhichOneof("input") for each in call.worker.inputs][-2:] == ["audio", "dtmf"]
        pressed = call.worker.of_kind("dtmf")[0].dtmf
        assert (pressed.event, pressed.duration_ms) == ("#", 120)
