"""Settings of a bridge: by options, by file, and what is said about wrong ones."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from offhook_worker.__main__ import UnknownWorker, load_worker
from offhook_worker.bridge.cascade import CascadeBridge
from offhook_worker.bridge.settings import CascadeSettings, InvalidSettings, load_settings, read_settings

from offhook.service.config import ConfigError, load_config
from offhook.worker_role import WorkerConfig

FILE = """
name = "assistant"
[chat]
url = "http://127.0.0.1:8000"
slots = 256
extra = { chat_template_kwargs = { enable_thinking = false } }
[transcription]
url = "http://127.0.0.1:8001/v1"
[speech]
url = "http://127.0.0.1:8002/v1"
voices = ["af_heart"]
sample_rate_hz = 22050
"""


def test_a_file_sets_everything_up(tmp_path: Path) -> None:
    path = tmp_path / "bridge.toml"
    path.write_text(FILE)
    settings = load_settings(CascadeSettings, path)
    assert settings.chat is not None
    assert settings.chat.url == "http://127.0.0.1:8000/v1"
    assert settings.chat.metrics_address == "http://127.0.0.1:8000/metrics"
    worker = load_worker(f"bridge-cascade:{path}")
    assert isinstance(worker, CascadeBridge)
    assert worker.models[0].name == "assistant"
    assert worker.models[0].output_formats[0].sample_rate_hz == 22_050


def test_the_worker_role_takes_the_same_settings(tmp_path: Path) -> None:
    role = {"name": "w", "listen": "unix:w.sock", "admin_listen": "127.0.0.1:0"}
    path = tmp_path / "worker.yaml"
    path.write_text(json.dumps({**role, "worker": "bridge-realtime", "realtime": {"url": "ws://h/v1", "voice": "v"}}))
    config = load_config(path, WorkerConfig)
    assert config.realtime is not None
    assert config.realtime.socket_url == "ws://h/v1/realtime"
    wrong = (
        {"worker": "bridge-cascade"},
        {"worker": "echo", "cascade": {}},
        {"worker": "bridge-realtime", "realtime": {}},
    )
    for fields in wrong:
        path.write_text(json.dumps({**role, **fields}))
        with pytest.raises(ConfigError, match=r"cascade: goes with|realtime\.url"):
            load_config(path, WorkerConfig)


@pytest.mark.timeout(60)
def test_the_worker_role_serves_a_bridge(tmp_path: Path) -> None:
    path, ready = tmp_path / "worker.yaml", tmp_path / "ready.json"
    server = {"url": "http://127.0.0.1:9/v1"}
    cascade = {"chat": server, "transcription": server, "speech": server}
    role = {"name": "w", "listen": f"unix:{tmp_path}/w.sock", "admin_listen": "127.0.0.1:0"}
    path.write_text(json.dumps({**role, "worker": "bridge-cascade", "cascade": cascade}))
    process = subprocess.Popen(
        [sys.executable, "-m", "offhook", "worker", "--config", str(path), "--ready-file", str(ready)]
    )
    try:
        while not ready.exists():
            assert process.poll() is None
            time.sleep(0.05)
        assert "metrics" in json.loads(ready.read_text())
    finally:
        process.terminate()
    assert process.wait(30) == 0


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"chat": {"url": "http://h/v1", "modell": "m"}}, "chat.modell: Extra inputs"),
        ({"chat": {"url": "h:8000"}}, "chat.url: Value error, must be a URL"),
        ({"chat": {"url": "http://user:secret@h/v1"}}, "holds no key"),
        ({"chat": {}}, "chat.url: Field required"),
        ({"speech": {"url": "http://h", "sample_rate_hz": 1}}, "speech.sample_rate_hz: Input should be greater"),
    ],
)
def test_a_wrong_setting_is_named(values: dict[str, object], told: str) -> None:
    with pytest.raises(InvalidSettings, match=told) as raised:
        read_settings(CascadeSettings, values)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("text", ["name = [", "name = ''", None], ids=["toml", "empty", "missing"])
def test_a_wrong_file_is_one_clear_line(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "bridge.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UnknownWorker, match=r"bridge\.toml: "):
        load_worker(f"bridge-cascade:{path}")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--chat-model", "m"],
        ["--chat-url", "http://h/v1", "--config", "x.toml"],
        ["--chat-url", "http://h/v1", "--models", "/no/such/directory"],
    ],
)
def test_wrong_options_end_with_status_2_and_no_trace(arguments: list[str]) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "offhook_worker", "bridge-cascade", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    assert len(ended.stderr.strip().splitlines()) == 1
    assert "Traceback" not in ended.stderr
