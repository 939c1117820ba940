"""A worker is killed while the caller speaks, or before it has answered: the next one hears the whole turn."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from tests.support.socket_scene import BY_HAND, SocketClient, connected
from tests.support.whole_transceiver import config, until_ready, whole_transceiver
from tests.support.worker_scene import WorkerProcess
from transceiver.calls.input_memory import LONGEST_US, RECENT_US, InputMemory
from transceiver.calls.waiting_input import InputFrame

pytest.importorskip("offhook_datapath", reason="the native module is not built here")

WORKERS = "tests.support.counting_worker"
COUNTED, SPEECHLESS = f"{WORKERS}:CountingWorker", f"{WORKERS}:SpeechlessWorker"
PIECES = 30
"""Three seconds: more than a worker takes at once."""


def piece(number: int) -> bytes:
    """A tenth of a second at 24 kHz."""
    return np.full(2400, 1000 * number, np.int16).tobytes()


@asynccontextmanager
async def served_by(directory: Path, first: str) -> AsyncIterator[tuple[SocketClient, WorkerProcess]]:
    """A session on the first worker, with another one beside it, and what there is to kill."""
    async with AsyncExitStack() as stack:
        addresses = [f"unix:{directory}/{name}" for name in ("one", "two")]
        serving = await WorkerProcess.start(addresses[0], first)
        stack.push_async_callback(serving.kill)
        transceiver = await stack.enter_async_context(
            whole_transceiver(config(directory, workers=tuple(addresses)), directory)
        )
        await until_ready(transceiver, 1)
        client = await stack.enter_async_context(connected(transceiver, "model=counting"))
        await client.configure(output_modalities=["text"], **BY_HAND)
        beside = await WorkerProcess.start(addresses[1], COUNTED)
        stack.push_async_callback(beside.kill)
        await until_ready(transceiver, 2)
        yield client, serving


async def heard(client: SocketClient) -> list[int]:
    """What the worker says that it has heard."""
    response = (await client.event("response.done"))["response"]
    assert response["status"] == "completed", response
    return [int(each) for each in response["output"][0]["content"][0]["text"].split()]


async def test_a_turn_that_is_being_spoken_is_heard_from_its_beginning(tmp_path: Path) -> None:
    async with served_by(tmp_path, COUNTED) as (client, serving):
        await client.append(piece(30))
        await client.send("input_audio_buffer.commit")
        await client.send("response.create")
        assert await heard(client) == [30]
        for number in range(PIECES):
            if number == PIECES // 2:
                await serving.kill()
            await client.append(piece(number))
        await client.send("input_audio_buffer.commit")
        await client.send("response.create")
        assert await heard(client) == list(range(PIECES))


async def test_a_turn_that_was_over_and_not_understood_is_heard_again(tmp_path: Path) -> None:
    async with served_by(tmp_path, SPEECHLESS) as (client, serving):
        for number in range(PIECES):
            await client.append(piece(number))
        await client.send("input_audio_buffer.commit")
        await client.event("input_audio_buffer.committed")
        await client.send("response.create")
        await client.event("response.created")
        await serving.kill()
        assert await heard(client) == list(range(PIECES))


def remembered(memory: InputMemory, seconds: int) -> tuple[float, float]:
    """What is left after so many seconds of speech: from, to."""
    for number in range(seconds * 50):
        memory.keep(InputFrame(b"", number * 20_000, 20_000, None))
    frames = list(memory)
    return frames[0].media_time_us / 1e6, (frames[-1].media_time_us + frames[-1].duration_us) / 1e6


@pytest.mark.parametrize(
    ("needed_from_us", "from_s"),
    [(None, 60 - RECENT_US / 1e6), (45_000_000, 45.0), (10_000_000, 60 - LONGEST_US / 1e6), (59_900_000, 59.0)],
)
def test_what_is_remembered_of_a_call_is_bounded(needed_from_us: int | None, from_s: float) -> None:
    began_s, ended_s = remembered(InputMemory(lambda: needed_from_us), 60)
    assert ended_s == 60.0
    assert from_s - 1.0 <= began_s <= from_s
