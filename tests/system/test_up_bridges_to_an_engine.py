"""`offhook up --worker bridge-…`: a fabric whose model runs in an engine elsewhere."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest
import yaml

from offhook.cli.main import app
from offhook.service.config import load_config
from offhook.up.bridges import Engine, read_bridge
from offhook.up.layout import Layout, Options
from offhook.worker_role import WorkerConfig
from tests.support.agent_models import need_models
from tests.support.fabric import Fabric, running_fabric
from tests.support.llama_server import llama_server
from tests.support.socket_scene import BY_HAND, SocketClient
from wire.address import Address

SMALL = ("--relays", "1", "--transceivers", "1", "--workers", "1")


@pytest.mark.system
@pytest.mark.timeout(120)
async def test_llama_cpp_answers_in_a_fabric_of_its_own(tmp_path: Path, show: Callable[[str], None]) -> None:
    need_models()
    async with llama_server(tmp_path) as llama:
        starting = running_fabric(*SMALL, "--worker", "bridge-cascade", "--bridge-url", llama.url)
        fabric = await asyncio.to_thread(starting.__enter__)
        try:
            # No model is named: the bridge's is the default.
            url = fabric.http + "/v1/realtime"
            async with aiohttp.ClientSession(headers=fabric.headers) as session, session.ws_connect(url) as socket:
                client = SocketClient(socket)
                await client.configure(output_modalities=["text"], max_output_tokens=20, **BY_HAND)
                content = [{"type": "input_text", "text": "Tell me something about the old maps."}]
                item = {"type": "message", "role": "user", "content": content}
                await client.send("conversation.item.create", item=item)
                await client.send("response.create")
                response = (await client.event("response.done"))["response"]
        finally:
            await asyncio.to_thread(starting.__exit__, None, None, None)
    text = response["output"][0]["content"][0]["text"]
    show(f"llama.cpp by offhook up: {text!r}")
    assert response["usage"]["output_tokens"] == 20
    assert len(text.split()) > 10


@pytest.mark.system
@pytest.mark.timeout(120)
def test_a_realtime_server_is_talked_with_by_voice(
    monkeypatch: pytest.MonkeyPatch, show: Callable[[str], None]
) -> None:
    need_models()
    pytest.importorskip("offhook_datapath", reason="the native module is not built here")
    # Not above: they need the models and the native module.
    from tests.support.agent_scene import heard, spoken  # noqa: PLC0415 - see the line above
    from tests.support.spoken_caller import spoken_call  # noqa: PLC0415 - see above

    story, question = spoken("Tell me a story."), spoken("What is twelve times seven?")

    async def conversation(fabric: Fabric) -> tuple[int, str, str]:
        """A story, cut off by a question: how much of it was heard, the answer, and what a listener made of that."""
        async with spoken_call(fabric, model="realtime") as caller:
            await caller.say(story)
            await caller.events.event("output_audio_buffer.started", within_s=30.0)
            await asyncio.sleep(1.0)
            asked_at = await caller.say(question)
            truncated = await caller.events.event("conversation.item.truncated")
            answer = await caller.answer()
            while answer["status"] != "completed":
                answer = await caller.answer()
            await caller.heard_out()
            told = answer["output"][0]["content"][0]["transcript"]
            return truncated["audio_end_ms"], told, heard(caller.samples_since(asked_at))

    # The server is a fabric of its own, whose agent the bridge reaches by the published protocol.
    with running_fabric(*SMALL, "--worker", "agent") as engine:
        monkeypatch.setenv("ENGINE_KEY", engine.api_key)
        reached = ("--bridge-url", f"{engine.http}/v1", "--bridge-model", "agent", "--bridge-key-env", "ENGINE_KEY")
        with running_fabric(*SMALL, "--worker", "bridge-realtime", *reached) as fabric:
            heard_ms, answer, understood = asyncio.run(conversation(fabric))
    show(f"by offhook up and a bridge: {heard_ms} ms of a story, then {answer!r}, heard as {understood!r}")
    assert heard_ms >= 1000
    assert "84" in answer
    assert "84" in understood or "eighty four" in understood.lower().replace("-", " ")


@pytest.mark.parametrize(
    ("worker", "engine"),
    [
        ("bridge-cascade", Engine("http://127.0.0.1:8000", "small", "LLM_KEY")),
        ("bridge-realtime", Engine("wss://api.example/v1", "gpt-realtime", "LLM_KEY")),
    ],
)
def test_what_is_said_of_the_engine_reaches_its_bridge(
    worker: str, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLM_KEY", "sk-secret")
    bridge = read_bridge(worker, engine)
    address = Address("127.0.0.1", 8080)
    options = Options(
        address, [address], [address], 1, 1, 1, worker, "python", api_key="k", log_level="info", bridge=bridge
    )
    plans = {plan.role: plan for plan in Layout(tmp_path, options).write()}
    config = load_config(plans["worker"].config, WorkerConfig)
    server = config.realtime if config.cascade is None else config.cascade.chat
    assert server is not None
    assert (server.url.startswith(engine.url), server.model, server.api_key()) == (True, engine.model, "sk-secret")
    assert "sk-secret" not in plans["worker"].config.read_text()
    assert yaml.safe_load(plans["transceiver"].config.read_text())["default_model"] == bridge.model


def test_a_file_says_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "bridge.toml"
    path.write_text('name = "concierge"\nchat = { url = "http://h/v1", slots = 4 }\nspeech = { url = "http://h/v1" }\n')
    bridge = read_bridge(f"bridge-cascade:{path}", Engine())
    assert (bridge.worker, bridge.model, bridge.has_local_parts) == ("bridge-cascade", "concierge", True)
    assert bridge.settings["cascade"]["chat"] == {"url": "http://h/v1", "slots": 4}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--worker", "bridge-cascade"), "needs --bridge-url"),
        (("--worker", "bridge-realtime", "--bridge-url", "nonsense"), "must be a URL"),
        (("--worker", "bridge-realtime", "--bridge-url", "http://h", "--bridge-key-env", "NO_SUCH_KEY"), "NO_SUCH_KEY"),
        (("--worker", "bridge-cascade:/nonexistent.toml"), "No such file"),
        (("--worker", "echo", "--bridge-url", "http://h"), "goes with"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    options: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        app(["up", "--engine", "python", *options])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert told in line
