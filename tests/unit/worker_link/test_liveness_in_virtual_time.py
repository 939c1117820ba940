"""When exactly a worker counts as lost: the stream's own clock, without waiting."""

import itertools

from offhook_proto.worker.v1 import worker_pb2 as pb

from tests.support.worker_scene import RecordingListener, hello
from transceiver.worker_link import LinkCounters, LostReason, WorkerLinkSettings
from transceiver.worker_link.outbox import MAX_INPUTS
from transceiver.worker_link.stream import WorkerStream

SETTINGS = WorkerLinkSettings()


class NoWaker:
    """These tests take what waits by themselves."""

    def wake_now(self) -> None: ...

    def wake_at_tick(self) -> None: ...


def stream(counters: LinkCounters | None = None) -> WorkerStream:
    return WorkerStream(SETTINGS, counters or LinkCounters(), waker=NoWaker(), on_change=lambda: None, now=0.0)


def run_until(subject: WorkerStream, end: float, *, answering: bool) -> float:
    """Lets time pass, timer by timer; returns when the stream was lost, or `end`."""
    while (now := subject.next_timeout()) <= end:
        subject.handle_timeout(now)
        if subject.lost is not None:
            return now
        request = subject.take_request()
        if answering and request is not None and request.HasField("ping"):
            subject.receive(pb.ConnectResponse(pong=pb.Pong(nonce=request.ping.nonce)), now)
    return end


def test_a_worker_that_answers_lives_on() -> None:
    subject = stream()
    subject.receive(pb.ConnectResponse(hello=hello("echo")), 0.1)
    assert run_until(subject, 60.0, answering=True) == 60.0
    assert subject.is_ready


def test_a_frozen_worker_is_lost_within_two_seconds_of_its_last_word() -> None:
    heard = RecordingListener()
    subject = stream()
    subject.receive(pb.ConnectResponse(hello=hello("echo")), 0.1)
    session = subject.open(pb.SessionOpen(), heard, decided=lambda _verdict: None)
    subject.receive(
        pb.ConnectResponse(outputs=[pb.SessionOutput(session=session.number, accept=pb.SessionAccept())]), 0.2
    )
    run_until(subject, 10.0, answering=True)
    lost_at = run_until(subject, 20.0, answering=False)
    assert lost_at - 10.0 <= 2.0
    assert heard.lost == [LostReason.PING_TIMEOUT]


def test_a_worker_without_hello_is_given_up() -> None:
    counters = LinkCounters()
    subject = stream(counters)
    assert run_until(subject, 20.0, answering=False) == SETTINGS.hello_timeout_s
    assert counters.connect_failures == 1


def test_a_standstill_of_this_process_is_not_blamed_on_the_worker() -> None:
    subject = stream()
    subject.receive(pb.ConnectResponse(hello=hello("echo")), 0.1)
    subject.handle_timeout(30.0)
    assert subject.lost is None
    request = subject.take_request()
    assert request is not None
    assert request.HasField("ping")
    subject.receive(pb.ConnectResponse(pong=pb.Pong(nonce=request.ping.nonce)), 30.01)
    assert run_until(subject, 60.0, answering=True) == 60.0


def test_a_worker_that_stops_reading_is_lost_before_memory_grows() -> None:
    subject = stream()
    subject.receive(pb.ConnectResponse(hello=hello("echo")), 0.1)
    session = subject.open(pb.SessionOpen(), RecordingListener(), decided=lambda _verdict: None)
    for index in itertools.count():
        session.playout("resp_1", index, 0, 0)
        if index > MAX_INPUTS:
            break
    assert subject.take_request() is None
    assert subject.lost is LostReason.STALLED


def test_a_large_batch_is_cut_into_messages_that_grpc_carries() -> None:
    subject = stream()
    subject.receive(pb.ConnectResponse(hello=hello("echo")), 0.1)
    session = subject.open(pb.SessionOpen(), RecordingListener(), decided=lambda _verdict: None)
    subject.receive(
        pb.ConnectResponse(
            outputs=[pb.SessionOutput(session=session.number, accept=pb.SessionAccept(input_credit_ms=10))]
        ),
        0.2,
    )
    for index in range(6):
        image = pb.ImageInput(item_id=f"item_{index}", mime_type="image/png", data=bytes(600_000))
        session.send(pb.SessionInput(image=image))
    sizes = []
    while (request := subject.take_request()) is not None:
        sizes.append(request.ByteSize())
    assert len(sizes) == 6
    assert max(sizes) < 1_048_576
