"""`rate_limits.updated`: what the key of a session has left is told as each answer begins, and kept to."""

from typing import Any

import pytest
from offhook_proto.worker.v1 import worker_pb2 as pb

from tests.support.realtime_scene import RealtimeScene, kinds
from transceiver.realtime.transport import DATA_CHANNEL, WEBSOCKET, Transport
from transceiver.signalling.access.quota import KeyQuota
from transceiver.signalling.access.rate_limit import RateLimits


class Clock:
    """In seconds; moved by the test."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def quota(limits: RateLimits, *, requests: int = 60, tokens: int | None = 600, key: str = "key") -> KeyQuota:
    return KeyQuota(limits, key, requests, api_key_id="key", tokens_per_minute=tokens)


def opened(own: KeyQuota, transport: Transport = WEBSOCKET) -> RealtimeScene:
    return RealtimeScene(quota=own, transport=transport).open()


def left(event: dict[str, Any]) -> dict[str, tuple[int, int, float]]:
    return {each["name"]: (each["limit"], each["remaining"], each["reset_seconds"]) for each in event["rate_limits"]}


@pytest.mark.parametrize("transport", [WEBSOCKET, DATA_CHANNEL], ids=lambda each: each.name)
@pytest.mark.realtime("rate_limits.updated")
def test_what_is_left_is_told_as_an_answer_begins(transport: Transport) -> None:
    scene = opened(quota(RateLimits(Clock())), transport)
    created, told = scene.send("response.create")
    assert [created["type"], told["type"]] == ["response.created", "rate_limits.updated"]
    assert left(told) == {"requests": (60, 59, 1.0), "tokens": (600, 600, 0.0)}
    scene.finishes(created["response"]["id"], usage=pb.Usage(input_text_tokens=100, output_audio_tokens=50))
    events = scene.says(0, 500_000)
    (told,) = [each for each in events if each["type"] == "rate_limits.updated"]
    assert left(told) == {"requests": (60, 58, 2.0), "tokens": (600, 450, 15.0)}
    assert kinds(events)[-2:] == ["response.created", "rate_limits.updated"]


def test_only_limits_that_there_are_are_told() -> None:
    _, told = opened(quota(RateLimits(Clock()), tokens=None)).send("response.create")
    assert left(told).keys() == {"requests"}
    assert kinds(RealtimeScene().open().send("response.create")) == ["response.created"]


@pytest.mark.parametrize("limited", ["requests", "tokens"])
def test_an_answer_beyond_what_is_left_fails_and_the_model_is_not_asked(limited: str) -> None:
    clock = Clock()
    own = quota(RateLimits(clock), requests=1) if limited == "requests" else quota(RateLimits(clock), tokens=60)
    scene = opened(own)
    response_id = scene.send("response.create")[0]["response"]["id"]
    scene.finishes(response_id, usage=pb.Usage(output_text_tokens=89))
    created, _, done = scene.send("response.create")
    assert done["response"]["id"] == created["response"]["id"]
    assert done["response"]["status"] == "failed"
    error = done["response"]["status_details"]["error"]
    assert (error["type"], error["code"]) == ("rate_limit_error", "rate_limit_exceeded")
    assert error["message"].startswith(f"Rate limit reached for {limited}: Limit ")
    assert len(scene.told("response_request")) == 1
    # 60 a minute: what was used too much, and one more, is back after so many seconds.
    clock.now = 60.0 if limited == "requests" else 30.0
    assert kinds(scene.send("response.create")) == ["response.created", "rate_limits.updated"]
    assert len(scene.told("response_request")) == 2


def test_a_turn_beyond_what_is_left_is_told_as_well() -> None:
    scene = opened(quota(RateLimits(Clock()), requests=1))
    scene.finishes(scene.send("response.create")[0]["response"]["id"])
    assert kinds(scene.says(0, 500_000))[-3:] == ["response.created", "rate_limits.updated", "response.done"]
    assert scene.says(500_000, 900_000), "the session goes on"


def test_all_sessions_of_a_key_share_what_it_has() -> None:
    limits = RateLimits(Clock())
    first, second = opened(quota(limits, key="a browser's")), opened(quota(limits, key="another's"))
    response_id = first.send("response.create")[0]["response"]["id"]
    first.finishes(response_id, usage=pb.Usage(input_audio_tokens=600))
    # An ephemeral key has requests of its own; tokens are those of the key that minted it.
    _, told, done = second.send("response.create")
    assert left(told) == {"requests": (60, 60, 0.0), "tokens": (600, 0, 60.0)}
    assert done["response"]["status"] == "failed"
