"""The worker in the SDK's README works as written."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from offhook_worker.__main__ import load_worker

from tests.support.turn_caller import PCM_OUT, TurnCaller
from tests.support.worker_scene import hand_transceiver, serving

README = Path(__file__).parents[3] / "worker" / "README.md"


@pytest.fixture
def parrot_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (example, _) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    (tmp_path / "parrot.py").write_text(example)
    monkeypatch.syspath_prepend(tmp_path)
    yield "parrot"
    del sys.modules["parrot"]


async def test_the_parrot_says_back_what_it_heard(parrot_module: str) -> None:
    async with (
        serving(load_worker(f"{parrot_module}:Parrot")) as (_, address),
        hand_transceiver(address) as transceiver,
    ):
        caller = TurnCaller(transceiver)
        await caller.open("parrot", input_format=PCM_OUT)
        assert (await caller.ask("hello")).text == "You wrote: hello"
        await caller.say(b"\1\0" * 320, silence_frames=0)
        assert (await caller.answer()).pcm == b"\1\0" * 320
