"""The programs of examples/ run as their README says, and do what it says."""

import asyncio
import json
import os
import shutil
import wave
from asyncio.subprocess import PIPE
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from tests.sdk.stage import (
    SAMPLE_RATE,
    SDK_PYTHON,
    Stage,
    chromium,
    missing_browser,
    missing_node_part,
    missing_python_part,
)
from tests.support.event_reader import EventReader
from tests.support.live_caller import LiveCaller
from tests.support.webrtc_client import ClientOptions, WebRtcClient

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"
WITHIN_S = 90.0
BY_VOICE = ("python/ask.py", "python/pipecat_bot.py", "python/livekit_model.py", "javascript/ask.mjs")
BY_FUNCTION = ("python/agents_sdk.py", "javascript/agents.mjs")

Require = Callable[[str | None], None]


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    """A copy beside the packages that the tests have installed, as `npm install` would leave it."""
    copy = tmp_path / "examples"
    shutil.copytree(EXAMPLES, copy, ignore=shutil.ignore_patterns("node_modules"))
    (copy / "javascript" / "node_modules").symlink_to(HERE / "node_modules")
    return copy


async def run(stage: Stage, command: Sequence[str | Path], *, base_url: str | None = None) -> str:
    """Runs a program to its end; what it printed."""
    async with asyncio.timeout(WITHIN_S):
        process = await asyncio.create_subprocess_exec(
            *command, stdout=PIPE, stderr=PIPE, env=environment(stage, base_url or f"{stage.fabric.http}/v1")
        )
        output, errors = await process.communicate()
    assert process.returncode == 0, (output.decode() + errors.decode())[-3000:]
    return output.decode()


def environment(stage: Stage, base_url: str) -> Mapping[str, str]:
    return os.environ | {
        "OPENAI_BASE_URL": base_url,
        "OPENAI_API_KEY": stage.fabric.api_key,
        "NODE_EXTRA_CA_CERTS": str(stage.front.certificate),
        "PORT": "0",
    }


def write_wav(path: Path, samples: bytes) -> None:
    with wave.open(str(path), "wb") as recording:
        recording.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
        recording.writeframes(samples)


def program_of(name: str) -> str | Path:
    return "node" if name.endswith(".mjs") else SDK_PYTHON


def missing(name: str) -> str | None:
    return missing_node_part() if name.endswith(".mjs") else missing_python_part()


@pytest.mark.parametrize("name", BY_VOICE)
async def test_a_question_by_voice(stage: Stage, examples: Path, name: str, require: Require) -> None:
    require(missing(name))
    from tests.support.agent_scene import heard  # noqa: PLC0415 - needs the models

    question, answer = examples / "question.wav", examples / "answer.wav"
    write_wav(question, stage.recordings["times"].read_bytes())
    insists_on_tls = name == "javascript/ask.mjs"
    base_url = f"{stage.front.https}/v1" if insists_on_tls else None
    printed = await run(stage, [program_of(name), examples / name, question, answer], base_url=base_url)
    assert "84" in printed
    with wave.open(str(answer)) as recording:
        assert recording.getframerate() == SAMPLE_RATE
        understood = heard(recording.readframes(recording.getnframes())).lower().replace("-", " ")
    assert "84" in understood or "eighty four" in understood, understood


@pytest.mark.parametrize("name", BY_FUNCTION)
async def test_a_question_for_a_function(stage: Stage, examples: Path, name: str, require: Require) -> None:
    require(missing(name))
    printed = await run(stage, [program_of(name), examples / name, "What is the weather in Paris?"])
    assert "(get_weather)" in printed
    assert "21 degrees" in printed


async def test_a_call_steered_from_beside(stage: Stage, examples: Path, require: Require) -> None:
    require(missing_python_part())
    async with LiveCaller(stage.fabric, ClientOptions(data_channel=True)) as live:
        await live.call(path="/v1/realtime/calls?model=agent")
        events = EventReader(live)
        await events.event("session.created")
        printed = await run(stage, [SDK_PYTHON, examples / "python" / "beside.py", live.call_id, "Be kind."])
        assert "Be kind." in printed
        assert "hung up" in printed


async def test_a_call_by_curl(stage: Stage, examples: Path, require: Require) -> None:
    require(None if shutil.which("curl") else "no curl here")
    offer = examples / "offer.sdp"
    offer.write_text(WebRtcClient(ClientOptions(data_channel=True)).offer(), newline="")
    printed = await run(stage, ["bash", examples / "curl" / "call.sh", offer])
    assert '"agent"' in printed
    assert "a=ice-lite" in printed
    assert "hung up rtc_" in printed


async def test_a_page_that_talks(stage: Stage, examples: Path, require: Require) -> None:
    require(missing_node_part() or missing_browser())
    server = await asyncio.create_subprocess_exec(
        *("node", examples / "browser" / "serve.mjs"),
        stdout=PIPE,
        env=environment(stage, f"{stage.fabric.http}/v1"),
    )
    try:
        assert server.stdout is not None
        url = (await server.stdout.readline()).decode().strip()
        # Played once, from when the page opens the microphone: the quiet is for the call to be set up.
        quiet = bytes(2 * SAMPLE_RATE * 8)
        write_wav(examples / "microphone.wav", quiet + stage.recordings["times"].read_bytes())
        orders = {"url": url, "chromium": chromium(), "microphone": str(examples / "microphone.wav")}
        lines = json.loads(await run(stage, ("node", HERE / "clients" / "visit_example.mjs", json.dumps(orders))))
        assert any("84" in line for line in lines if line.startswith("assistant:")), lines
    finally:
        server.terminate()
        await server.wait()


def test_examples_are_pinned_as_the_tests_are() -> None:
    wanted = json.loads((EXAMPLES / "javascript" / "package.json").read_text())["dependencies"]
    tested = json.loads((HERE / "package.json").read_text())["dependencies"]
    assert wanted.items() <= tested.items()
    pins = (EXAMPLES / "python" / "requirements.txt").read_text().split()
    locked = (HERE.parents[1] / "requirements" / "sdk.in").read_text().split()
    assert set(pins) <= set(locked)
