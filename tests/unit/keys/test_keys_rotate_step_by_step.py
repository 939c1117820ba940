"""`offhook keys` on a file: each step leaves one that the services read."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from offhook.cli.main import app
from offhook.keys.errors import KeyMisuse
from offhook.keys.key_file import ICE_CHARS, with_new_key
from offhook.service.config import load_key_ring
from wire.ufrag import RouteToken

TOKEN = RouteToken(1, 2, 3)


def keys(*arguments: object) -> str:
    """What a step prints; it succeeds."""
    done = CliRunner().invoke(app, ["keys", *map(str, arguments)])
    assert done.exit_code == 0, done.stderr
    return done.stdout.strip()


def test_a_rotation_keeps_old_ufrags_readable_until_their_key_is_retired(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    keys("new", path)
    assert path.stat().st_mode & 0o777 == 0o600
    old = load_key_ring(path).mint_ufrag(TOKEN)
    added = keys("add", path)
    assert load_key_ring(path).mint_ufrag(TOKEN)[0] == old[0]
    keys("mint", path, added)
    ring = load_key_ring(path)
    new = ring.mint_ufrag(TOKEN)
    assert (new[0], ring.decode_ufrag(old.encode())) == (added, TOKEN)
    keys("retire", path, old[0])
    ring = load_key_ring(path)
    assert ring.decode_ufrag(new.encode()) == TOKEN
    assert ring.decode_ufrag(old.encode()) != TOKEN
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("step", "complaint"),
    [
        (("new", "FILE"), "exists already"),
        (("mint", "FILE", "B"), "there is no key 'B'"),
        (("retire", "FILE", "A"), "key 'A' mints: let another one mint first"),
        (("retire", "FILE", "B"), "there is no key 'B'"),
        (("add", "NOTHING"), "cannot be read"),
    ],
)
def test_a_step_that_does_not_fit_is_one_line(tmp_path: Path, step: tuple[str, ...], complaint: str) -> None:
    path = tmp_path / "keys.json"
    keys("new", path)
    before = path.read_text()
    arguments = [{"FILE": str(path), "NOTHING": str(tmp_path / "nothing")}.get(part, part) for part in step]
    done = CliRunner().invoke(app, ["keys", *arguments])
    assert done.exit_code == 2
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1
    assert path.read_text() == before


def test_a_full_file_takes_no_more() -> None:
    content = {"configurations": [{"id": char, "secret": "x"} for char in ICE_CHARS]}
    with pytest.raises(KeyMisuse, match="retire some first"):
        with_new_key(content)
    del content["configurations"][3]
    assert with_new_key(content)[1] == ICE_CHARS[3]


def test_secrets_are_never_printed(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    printed = keys("new", path) + keys("add", path) + keys("mint", path, "B") + keys("retire", path, "A")
    for key in json.loads(path.read_text())["configurations"]:
        assert key["secret"] not in printed
