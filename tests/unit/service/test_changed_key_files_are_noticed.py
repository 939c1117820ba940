"""Rotation: the key file changes under a running service."""

import asyncio
import json
from contextlib import aclosing
from pathlib import Path

import pytest

from offhook.service.config import ConfigError, new_key_file
from offhook.service.key_file import watch_key_ring
from tests.support.udp_peer import DEADLINE_S
from wire.ufrag import KeyRing, RouteToken

TOKEN = RouteToken(1, 2, 3)


class Watch:
    """The rings that a watch yields."""

    def __init__(self, path: Path) -> None:
        self.rings = watch_key_ring(path, interval_s=0.001)

    async def next(self) -> KeyRing:
        async with asyncio.timeout(DEADLINE_S):
            return await anext(self.rings)


async def test_a_new_file_in_its_place_is_a_new_ring(tmp_path: Path) -> None:
    path, following = tmp_path / "keys.json", tmp_path / "next"
    path.write_text(json.dumps(new_key_file()))
    watch = Watch(path)
    first = await watch.next()
    following.write_text(json.dumps(new_key_file()))
    following.replace(path)
    second = await watch.next()
    assert second.decode_ufrag(first.mint_ufrag(TOKEN).encode()) != TOKEN


async def test_a_mounted_secret_that_points_elsewhere_is_noticed(tmp_path: Path) -> None:
    """Kubernetes replaces a symbolic link to a directory; the file's own path never changes."""
    for version in ("1", "2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "keys.json").write_text(json.dumps(new_key_file()))
    data = tmp_path / "data"
    data.symlink_to(tmp_path / "1")
    watch = Watch(data / "keys.json")
    first = await watch.next()
    fresh_link = tmp_path / "data.new"
    fresh_link.symlink_to(tmp_path / "2")
    fresh_link.replace(data)
    assert (await watch.next()).decode_ufrag(first.mint_ufrag(TOKEN).encode()) != TOKEN


async def test_a_file_that_is_gone_or_wrong_for_a_while_leaves_the_last_keys_in_force(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(new_key_file()))
    watch = Watch(path)
    await watch.next()
    waiting = asyncio.create_task(watch.next())
    for broken in ("{}", None, "SECRET: [", None):
        if broken is None:
            path.unlink()
        else:
            path.write_text(broken)
        await complaint(capsys)
        assert not waiting.done()
    path.write_text(json.dumps(new_key_file()))
    await waiting


async def complaint(capsys: pytest.CaptureFixture[str]) -> None:
    """Returns once a line says that the file cannot be used; none of its content is in it."""
    said = ""
    async with asyncio.timeout(DEADLINE_S):
        while "cannot be used" not in said:
            await asyncio.sleep(0.001)
            said += capsys.readouterr().out
    assert "SECRET" not in said


async def test_a_wrong_file_at_the_start_is_an_error(tmp_path: Path) -> None:
    async with aclosing(watch_key_ring(tmp_path / "nothing.json")) as rings:  # type: ignore[type-var]  # is a generator
        with pytest.raises(ConfigError, match="cannot be read"):
            await anext(rings)
