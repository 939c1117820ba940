"""The three workers of docs/workers.md, run from the page's own code: short, complete, and conforming."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from offhook_proto.worker.v1 import worker_pb2 as pb
from offhook_worker.__main__ import load_worker
from offhook_worker.check import CheckOptions, Finding, Status, check_worker

from tests.support.turn_caller import PCM_OUT, TurnCaller
from tests.support.worker_scene import OPUS, HandTransceiver, audio, hand_transceiver, serving, until

PAGE = Path(__file__).parents[3] / "docs" / "workers.md"
NAMES = {"backwards": "Backwards", "concierge": "Concierge", "memo": "Memo"}
LONGEST_LINES = 40


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The code of each worker by the name in its first line, importable."""
    blocks = re.findall(r"```python\n# (\w+)\.py\n(.*?)```", PAGE.read_text(), re.DOTALL)
    for name, code in blocks:
        (tmp_path / f"{name}.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    yield dict(blocks)
    for name in NAMES:
        sys.modules.pop(name, None)


@asynccontextmanager
async def calling(name: str) -> AsyncIterator[HandTransceiver]:
    async with serving(load_worker(f"{name}:{NAMES[name]}")) as (_, address), hand_transceiver(address) as transceiver:
        yield transceiver


def test_each_is_complete_in_less_than_forty_lines(modules: dict[str, str]) -> None:
    assert modules.keys() == NAMES.keys()
    assert all(len(code.splitlines()) + 1 < LONGEST_LINES for code in modules.values())


async def test_backwards_says_backwards_what_it_heard(modules: dict[str, str]) -> None:
    async with calling("backwards") as transceiver:
        caller = TurnCaller(transceiver)
        await caller.open("backwards", input_format=PCM_OUT)
        said = np.arange(-160, 160, dtype=np.int16).tobytes()
        await caller.say(said, silence_frames=0)
        heard = np.frombuffer((await caller.answer()).pcm, dtype=np.int16)
        assert heard.tobytes() == np.frombuffer(said, dtype=np.int16)[::-1].tobytes()
        assert (await caller.ask("hello")).text.startswith("Say something")


async def test_the_concierge_answers_in_sentences_calls_a_function_and_sees_a_picture(modules: dict[str, str]) -> None:
    weather = pb.SessionConfig(tools=[pb.Tool(name="get_weather")])
    async with calling("concierge") as transceiver:
        caller = TurnCaller(transceiver)
        await caller.open("concierge")
        answered = await caller.ask("a room")
        assert answered.transcript.strip() == "I see: a room. With 0 pictures. Anything else?"
        assert answered.done.usage.output_text_tokens == 9
        assert answered.done.stage_latency_ms.keys() == {"model", "speech"}
        (call,) = (await caller.ask("weather?", config=weather)).calls
        await caller.send(tool_result=pb.ToolResult(item_id="item_r", call_id=call.call_id, output="sunny"))
        await caller.send(image=pb.ImageInput(item_id="item_p", mime_type="image/png", data=b"png"))
        await caller.send(tool_result=pb.ToolResult(item_id="item_s", call_id=call.call_id, output="sunny"))
        written = await caller.answer(config=pb.SessionConfig(output_modalities=[pb.MODALITY_TEXT]))
        assert written.text.strip() == "I see: sunny. With 1 pictures. Anything else?"
        assert not written.frames


async def test_the_memo_plays_opus_back_and_stops_at_a_key(modules: dict[str, str]) -> None:
    async with calling("memo") as transceiver:
        await transceiver.open(1, "memo", output_credit_ms=100, input_format=OPUS, output_format=OPUS)
        await until(lambda: bool(transceiver.of_kind("accept")))
        said = [b"frame %d" % number for number in range(20)]
        await transceiver.send(*(audio(1, payload) for payload in said))
        await transceiver.send(pb.SessionInput(session=1, dtmf=pb.Dtmf(event="#")))
        await until(lambda: len(transceiver.of_kind("audio")) == 5)
        await transceiver.send(pb.SessionInput(session=1, dtmf=pb.Dtmf(event="0")))
        await until(lambda: bool(transceiver.of_kind("flush")))
        await transceiver.send(pb.SessionInput(session=1, credit=pb.Credit(audio_ms=1000)))
        await transceiver.send(pb.SessionInput(session=1, response_request=pb.ResponseRequest(response_id="resp_1")))
        await until(lambda: bool(transceiver.of_kind("response_done")))
        assert [each.audio.payload for each in transceiver.of_kind("audio")] == said[:5]


async def test_each_conforms(modules: dict[str, str]) -> None:
    async def failures(name: str) -> list[Finding]:
        async with serving(load_worker(f"{name}:{NAMES[name]}")) as (_, address):
            findings = await check_worker(address, CheckOptions(sessions=4))
        return [each for each in findings if each.status is Status.FAILED]

    assert await asyncio.gather(*map(failures, NAMES)) == [[], [], []]
