"""Frames of a model that arrive at the same time are shown as one, in order, and none of them later for it."""

import asyncio

from offhook_proto.worker.v1 import worker_pb2

from transceiver.calls.gathered_audio import MAX_GATHERED_US, GatheredAudio

FRAME_US = 20_000


def frame(number: int, response_id: str = "resp_1") -> worker_pb2.AudioFrame:
    return worker_pb2.AudioFrame(
        payload=bytes([number]) * 4,
        media_time_us=number * FRAME_US,
        duration_us=FRAME_US,
        response_id=response_id,
    )


async def test_those_of_one_moment_are_joined_and_not_held_back() -> None:
    shown: list[worker_pb2.AudioFrame] = []
    gathered = GatheredAudio(shown.append)
    for number in range(3):
        gathered.add(frame(number))
    assert shown == []
    await asyncio.sleep(0)
    (joined,) = shown
    assert joined.payload == b"".join(frame(number).payload for number in range(3))
    assert (joined.media_time_us, joined.duration_us, joined.response_id) == (0, 3 * FRAME_US, "resp_1")
    gathered.add(frame(3))
    await asyncio.sleep(0)
    assert shown[1] == frame(3)


async def test_what_does_not_follow_is_not_joined() -> None:
    shown: list[worker_pb2.AudioFrame] = []
    gathered = GatheredAudio(shown.append)
    for each in (frame(0), frame(1, "resp_2"), frame(3, "resp_2"), frame(4, "resp_2")):
        gathered.add(each)
    gathered.flush()
    assert [(each.response_id, each.media_time_us, each.duration_us) for each in shown] == [
        ("resp_1", 0, FRAME_US),
        ("resp_2", FRAME_US, FRAME_US),
        ("resp_2", 3 * FRAME_US, 2 * FRAME_US),
    ]
    await asyncio.sleep(0)
    assert len(shown) == 3


async def test_an_event_is_bounded_and_nothing_is_lost() -> None:
    shown: list[worker_pb2.AudioFrame] = []
    gathered = GatheredAudio(shown.append)
    frames = [frame(number) for number in range(100)]
    for each in frames:
        gathered.add(each)
    gathered.flush()
    assert b"".join(each.payload for each in shown) == b"".join(each.payload for each in frames)
    assert all(each.duration_us <= MAX_GATHERED_US for each in shown)


async def test_what_is_forgotten_is_not_shown() -> None:
    shown: list[worker_pb2.AudioFrame] = []
    gathered = GatheredAudio(shown.append)
    gathered.add(frame(0))
    gathered.close()
    await asyncio.sleep(0)
    gathered.flush()
    assert shown == []
