"""The worker in the SDK's README works as written."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from offhook_worker.__main__ import load_worker

from tests.support.worker_scene import RecordingListener, open_session, pool_of, serving, until

README = Path(__file__).parents[3] / "worker" / "README.md"


@pytest.fixture
def parrot_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    (tmp_path / "parrot.py").write_text(example)
    monkeypatch.syspath_prepend(tmp_path)
    yield "parrot"
    del sys.modules["parrot"]


async def test_the_parrot_answers_text_and_echoes_audio(parrot_module: str) -> None:
    async with serving(load_worker(f"{parrot_module}:Parrot")) as (_, address), pool_of([address]) as pool:
        heard = RecordingListener()
        session = await open_session(pool, heard, model="parrot")
        session.send_audio(b"frame", 0, 20_000)
        session.send_text("item_1", "hello")
        await until(lambda: bool(heard.frames) and bool(heard.texts))
        assert heard.texts == ["You wrote: hello"]
