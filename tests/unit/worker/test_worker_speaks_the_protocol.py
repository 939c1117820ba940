"""What a worker answers on the wire, whatever the transceiver does."""

import asyncio

import grpc
import pytest
from offhook_proto.worker.v1 import worker_pb2 as pb
from offhook_worker import InputDrop, ServeOptions
from offhook_worker.echo import EchoWorker

from tests.support.worker_scene import FRAME_US, OPUS, HandTransceiver, audio, hand_transceiver, serving, until

OPTIONS = ServeOptions(name="echo-1", max_sessions=2, input_window_ms=100)


def hello_of(transceiver: HandTransceiver) -> pb.WorkerHello:
    return transceiver.responses[0].hello


async def test_hello_names_the_models_and_the_capacity() -> None:
    async with serving(EchoWorker(), OPTIONS) as (_, address), hand_transceiver(address) as transceiver:
        await until(lambda: bool(transceiver.responses))
        greeting = hello_of(transceiver)
        assert (greeting.worker, greeting.protocol_major, greeting.max_sessions) == ("echo-1", 1, 2)
        assert [model.name for model in greeting.models] == ["echo"]
        assert greeting.models[0].input_formats[0] == OPUS
        assert transceiver.responses[0].load.max_sessions == 2


@pytest.mark.parametrize(
    ("first", "code"),
    [
        (
            pb.ConnectRequest(hello=pb.TransceiverHello(transceiver="new", protocol_major=2)),
            grpc.StatusCode.FAILED_PRECONDITION,
        ),
        (pb.ConnectRequest(ping=pb.Ping(nonce=1)), grpc.StatusCode.INVALID_ARGUMENT),
    ],
    ids=["newer-protocol", "no-hello"],
)
async def test_a_stream_that_begins_wrongly_is_refused(first: pb.ConnectRequest, code: grpc.StatusCode) -> None:
    async with serving(EchoWorker()) as (_, address), hand_transceiver(address, first) as transceiver:
        await until(lambda: transceiver.fault is not None)
        assert transceiver.fault is not None
        assert transceiver.fault.code() is code


async def test_a_ping_is_answered_with_its_nonce() -> None:
    async with serving(EchoWorker()) as (_, address), hand_transceiver(address) as transceiver:
        await transceiver.call.write(pb.ConnectRequest(ping=pb.Ping(nonce=4711)))
        await until(lambda: any(each.pong.nonce == 4711 for each in transceiver.responses))


async def test_a_full_worker_rejects_and_reports_its_load() -> None:
    async with serving(EchoWorker(), OPTIONS) as (_, address), hand_transceiver(address) as transceiver:
        for number in (1, 2, 3):
            await transceiver.open(number)
        await until(lambda: bool(transceiver.of_kind("reject")))
        (rejected,) = transceiver.of_kind("reject")
        assert (rejected.session, rejected.reject.reason) == (3, pb.SessionReject.REASON_AT_CAPACITY)
        assert sorted(each.session for each in transceiver.of_kind("accept")) == [1, 2]
        await until(lambda: transceiver.responses[-1].load.sessions == 2)
        await transceiver.send(pb.SessionInput(session=1, close=pb.SessionClose()))
        await until(lambda: transceiver.responses[-1].load.sessions == 1)
        await transceiver.open(4)
        await until(lambda: bool(transceiver.of_kind("accept", session=4)))


@pytest.mark.parametrize(
    ("opening", "reason"),
    [
        (pb.SessionOpen(model="other"), pb.SessionReject.REASON_UNKNOWN_MODEL),
        (pb.SessionOpen(model="echo"), pb.SessionReject.REASON_UNSUPPORTED_FORMAT),
        (pb.SessionOpen(model="echo", input_format=OPUS), pb.SessionReject.REASON_UNSUPPORTED_FORMAT),
    ],
    ids=["unknown-model", "no-input-format", "no-output-format"],
)
async def test_what_cannot_be_served_is_rejected_with_its_reason(
    opening: pb.SessionOpen, reason: pb.SessionReject.Reason.ValueType
) -> None:
    async with serving(EchoWorker()) as (server, address), hand_transceiver(address) as transceiver:
        await transceiver.send(pb.SessionInput(session=1, open=opening))
        await until(lambda: bool(transceiver.of_kind("reject")))
        assert transceiver.of_kind("reject")[0].reject.reason == reason
        assert transceiver.of_kind("reject")[0].reject.message
        assert server.load_report().sessions == 0


async def test_echo_returns_frames_untouched_within_the_output_credit() -> None:
    async with serving(EchoWorker(), OPTIONS) as (_, address), hand_transceiver(address) as transceiver:
        await transceiver.open(1, output_credit_ms=60)
        frame = pb.AudioFrame(
            payload=b"\x78opus", media_time_us=40_000, duration_us=FRAME_US, audio_level_plus_one=31, lost_before=2
        )
        await transceiver.send(pb.SessionInput(session=1, audio=frame), *(audio(1) for _ in range(4)))
        await until(lambda: len(transceiver.of_kind("audio")) == 3)
        first = transceiver.of_kind("audio")[0].audio
        assert (first.payload, first.media_time_us, first.audio_level_plus_one) == (b"\x78opus", 40_000, 31)
        await transceiver.send(pb.SessionInput(session=1, credit=pb.Credit(audio_ms=40)))
        await until(lambda: len(transceiver.of_kind("audio")) == 5)


async def test_read_audio_is_granted_again_in_few_outputs() -> None:
    options = ServeOptions(input_window_ms=800)
    async with serving(EchoWorker(), options) as (_, address), hand_transceiver(address) as transceiver:
        await transceiver.open(1, output_credit_ms=10_000)
        for _ in range(10):
            await transceiver.send(*(audio(1) for _ in range(10)))
        await until(lambda: sum(each.credit.audio_ms for each in transceiver.of_kind("credit")) == 2000)
        assert len(transceiver.of_kind("credit")) <= 20


async def test_malformed_input_is_counted_and_harmless() -> None:
    async with serving(EchoWorker()) as (server, address), hand_transceiver(address) as transceiver:
        await transceiver.open(1)
        await transceiver.open(1)
        await transceiver.send(
            audio(9),
            pb.SessionInput(session=9, close=pb.SessionClose()),
            pb.SessionInput(),
            audio(1, duration_us=0),
            pb.SessionInput(session=1),
            pb.SessionInput(session=1, turn=pb.TurnEvent()),
            pb.SessionInput(session=1, text=pb.TextInput(role=pb.ROLE_UNSPECIFIED, text="who?")),
            audio(1, b"good"),
        )
        await until(lambda: bool(transceiver.of_kind("audio")))
        assert [each.audio.payload for each in transceiver.of_kind("audio")] == [b"good"]
        assert dict(server.counters.drops) == {
            InputDrop.DUPLICATE_SESSION: 1,
            InputDrop.UNKNOWN_SESSION: 3,
            InputDrop.MALFORMED_INPUT: 4,
        }


async def test_sessions_end_with_their_transceiver() -> None:
    async with serving(EchoWorker()) as (server, address):
        async with hand_transceiver(address) as transceiver:
            await transceiver.open(1)
            await until(lambda: server.load_report().sessions == 1)
        await until(lambda: server.load_report().sessions == 0)


async def test_a_silent_transceiver_is_given_up() -> None:
    options = ServeOptions(peer_timeout_s=0.3)
    async with serving(EchoWorker(), options) as (server, address), hand_transceiver(address) as transceiver:
        await transceiver.open(1)
        await until(lambda: bool(transceiver.of_kind("accept")))
        await until(lambda: server.load_report().sessions == 0)
        async with asyncio.timeout(10):
            await transceiver.call.wait_for_connection()
            assert await transceiver.call.code() is grpc.StatusCode.OK


HEALTH = "/grpc.health.v1.Health/"
SERVING, NOT_SERVING, SERVICE_UNKNOWN = b"\x08\x01", b"\x08\x02", b"\x08\x03"


def health_request(service: str) -> bytes:
    return b"\x0a" + bytes([len(service)]) + service.encode() if service else b""


async def test_health_is_answered_and_withdrawn_on_drain() -> None:
    async with serving(EchoWorker()) as (server, address), grpc.aio.insecure_channel(address) as channel:
        check: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(HEALTH + "Check")
        watch_service: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(HEALTH + "Watch")
        watch = watch_service(health_request("offhook.worker.v1.WorkerService"))
        assert await check(health_request("")) == SERVING
        assert await check(health_request("offhook.worker.v1.WorkerService")) == SERVING
        with pytest.raises(grpc.aio.AioRpcError) as unknown:
            await check(health_request("who.knows"))
        assert unknown.value.code() is grpc.StatusCode.NOT_FOUND
        unknown_watch = watch_service(health_request("who.knows"))
        assert await unknown_watch.read() == SERVICE_UNKNOWN
        assert await watch.read() == SERVING
        async with hand_transceiver(address) as transceiver:
            await transceiver.open(1)
            await until(lambda: bool(transceiver.of_kind("accept")))
            stopping = asyncio.create_task(server.stop(drain_s=20))
            assert await watch.read() == NOT_SERVING
            assert await check(health_request("")) == NOT_SERVING
            await transceiver.open(2)
            await until(lambda: bool(transceiver.of_kind("reject")))
            assert transceiver.of_kind("reject")[0].reject.reason == pb.SessionReject.REASON_DRAINING
            assert any(each.drain.deadline_ms == 20_000 for each in transceiver.responses)
            await transceiver.send(pb.SessionInput(session=1, close=pb.SessionClose()))
            await stopping


async def test_a_port_in_use_is_an_error() -> None:
    async with serving(EchoWorker()) as (_, address):
        with pytest.raises(OSError, match=address):
            async with serving(EchoWorker(), address=address):
                pass
