"""What a model may send is given back once for what it has sent, whether or not the client gets to hear it."""

import asyncio
import time
from typing import Any, cast

from offhook_proto.worker.v1 import worker_pb2 as pb

from transceiver.audio.interface import EventOutput
from transceiver.calls.answer_latency import AnswerLatency
from transceiver.calls.event_voice import EventVoice
from transceiver.calls.socket_call import SocketCall
from transceiver.realtime.model import ModelTraits
from transceiver.realtime.session import RealtimeSession
from transceiver.realtime.transport import WEBSOCKET
from transceiver.worker_link.session import WorkerSession


class Plain:
    """The parts around the call: a client's socket, its ear, an output that has nothing to convert, a worker."""

    end_us = 0
    can_detect_turns = False
    turn_taking = None

    def __init__(self) -> None:
        self.granted_ms = 0
        self.events: list[str] = []
        self.inputs: list[pb.SessionInput] = []

    def grant_output(self, audio_ms: int) -> None:
        self.granted_ms += audio_ms

    def send(self, *message: Any) -> None:  # noqa: ANN401 - an event of the socket's, or an input of the ear's
        if isinstance(message[0], str):
            self.events.append(message[0])
        else:
            self.inputs.append(message[-1])

    def convert(self, codec: str, samples: bytes, done: Any) -> None:  # noqa: ANN401 - a call-back
        done(samples)

    def after(self, then: Any) -> None:  # noqa: ANN401 - a call-back
        then()

    heard_at = None

    def feed(self, worker: object) -> None:
        pass

    def detect_turns(self, settings: object, listener: object) -> None:
        pass


async def test_heard_or_discarded_it_is_given_back_once() -> None:
    plain = Plain()
    traits = ModelTraits("m", converses=True, detects_turns=False, sees_images=False)
    session = RealtimeSession(traits, WEBSOCKET, {}, now=time.monotonic(), unix_time=time.time())
    call = SocketCall(
        "ws_1",
        cast("Any", plain),
        session,
        ear=cast("EventVoice", plain),
        decoder=None,
        output=cast("EventOutput", plain),
        latency=AnswerLatency(),
        hand_over=cast("Any", plain),
        ended=lambda call, report: None,
    )
    call.join(cast("WorkerSession", plain))
    call.open()
    call.client_text('{"type": "response.create"}')
    response_id = next(each for each in plain.inputs if each.HasField("response_request")).response_request.response_id
    frame = pb.AudioFrame(payload=bytes(960), duration_us=20_000)
    for number in range(10):
        for owner in (response_id, "resp_of_nobody", ""):
            each = pb.AudioFrame()
            each.CopyFrom(frame)
            each.response_id, each.media_time_us = owner, number * 20_000
            call.worker_audio(each)
    await asyncio.sleep(0.01)
    assert plain.granted_ms == 3 * 10 * 20
    assert any('"response.output_audio.delta"' in event for event in plain.events)
