"""What was said by voice, and what is being said, is known to the worker that takes over, on every transport."""

import asyncio
import base64
import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import cache
from typing import Any

import aiohttp
import pytest

from tests.support.agent_models import need_models
from tests.support.fabric import Fabric, running_fabric
from tests.support.metrics import read_metrics

need_models()
pytest.importorskip("offhook_datapath", reason="the native module is not built here")

import numpy as np  # noqa: E402 - where the models are

from tests.support.agent_scene import resample, spoken  # noqa: E402 - needs the models
from tests.support.socket_scene import SocketClient  # noqa: E402 - as above
from tests.support.spoken_caller import SpokenCaller, spoken_call  # noqa: E402 - needs the native module

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

NAME, QUESTION, SUM = "My name is Anna.", "What is my name?", "What is twelve times seven?"


@cache
def at_24_khz(text: str) -> bytes:
    """What a WebSocket's client sends of it, with the silence that ends a turn."""
    samples = np.frombuffer(spoken(text), np.int16).astype(np.float32)
    return resample(samples, 16_000, 24_000).astype(np.int16).tobytes() + bytes(2 * 24_000)


def words_of(response: dict[str, Any]) -> str:
    """What an answer said."""
    assert response["status"] == "completed", response
    said: str = response["output"][0]["content"][0]["transcript"]
    return said


def cut(pcm: bytes) -> tuple[bytes, bytes]:
    """Two parts of a sentence, neither of which can be answered."""
    middle = len(pcm) // 4 * 2
    return pcm[:middle], pcm[middle:]


async def begin(caller: SpokenCaller, client: SocketClient) -> None:
    """Both say the first part of SUM."""
    saying = asyncio.create_task(caller.say(cut(spoken(SUM))[0]))
    await client.append(cut(at_24_khz(SUM)[: -2 * 24_000])[0])
    await client.event("input_audio_buffer.speech_started")
    await saying


async def end(caller: SpokenCaller, client: SocketClient) -> tuple[str, str]:
    """Both say the rest; what is answered."""
    await client.append(cut(at_24_khz(SUM)[: -2 * 24_000])[1] + bytes(2 * 24_000))
    await caller.say(cut(spoken(SUM))[1])
    return words_of(await caller.answer()), words_of((await client.event("response.done"))["response"])


async def by_track(caller: SpokenCaller, text: str) -> str:
    """Says it on the media track; what is answered."""
    await caller.say(spoken(text))
    return words_of(await caller.answer())


async def by_event(client: SocketClient, text: str) -> str:
    """Says it in events; what is answered."""
    audio = base64.b64encode(at_24_khz(text)).decode()
    await client.send("input_audio_buffer.append", audio=audio)
    return words_of((await client.event("response.done"))["response"])


async def until_metric(fabric: Fabric, name: str, least: int) -> None:
    """The transceiver's metric is no less."""
    (transceiver,) = fabric.processes("transceiver")
    async with asyncio.timeout(60):
        while (await asyncio.to_thread(read_metrics, transceiver))[name] < least:
            await asyncio.sleep(0.1)


async def test_what_was_spoken_is_known_after_sigkill_and_a_sentence_is_heard_whole(
    show: Callable[[str], None],
) -> None:
    # Made before anybody calls: it takes a second, in which no microphone would work.
    for text in (NAME, QUESTION, SUM):
        at_24_khz(text)
    with running_fabric("--relays", "1", "--transceivers", "1", "--workers", "2", "--worker", "agent") as fabric:
        first, second = fabric.processes("worker")
        # Both calls are to have the second worker: the first is away while they are placed.
        fabric.kill(first)
        async with AsyncExitStack() as stack:
            caller = await stack.enter_async_context(spoken_call(fabric))
            session = await stack.enter_async_context(aiohttp.ClientSession(headers=fabric.headers))
            url = fabric.http + "/v1/realtime?model=agent"
            client = SocketClient(await stack.enter_async_context(session.ws_connect(url)))
            told = await asyncio.gather(by_track(caller, NAME), by_event(client, NAME))
            await until_metric(fabric, "fabric_transceiver_workers_ready", 2)
            fabric.kill(second)
            await until_metric(fabric, "fabric_transceiver_worker_sessions_moved_total", 2)
            answers = await asyncio.gather(by_track(caller, QUESTION), by_event(client, QUESTION))
            await until_metric(fabric, "fabric_transceiver_workers_ready", 2)
            await begin(caller, client)
            fabric.kill(fabric.processes("worker")[0])
            sums = await end(caller, client)
        show(f"told {json.dumps(told)}; after SIGKILL {json.dumps(answers)}, in mid-sentence {json.dumps(sums)}")
        assert set(answers) == {"You said your name is Anna."}
        assert all("84" in each for each in sums), sums
