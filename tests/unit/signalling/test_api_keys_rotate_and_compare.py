"""Which bearer keys are accepted, while their file is what it should be and while it is not."""

from pathlib import Path

import pytest

from offhook.service.config import ConfigError
from transceiver.signalling.access.api_keys import ApiKeys


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with two keys."""
    file = tmp_path / "api_keys"
    file.write_text("# team one\nfirst-key\n\n  second-key  \n")
    return file


def test_every_key_of_the_file_is_accepted(path: Path) -> None:
    keys = ApiKeys(path)
    assert keys.find("first-key")
    assert keys.find("second-key")


@pytest.mark.parametrize(
    "wrong",
    ["", "first", "first-key ", "first-key\n", "FIRST-KEY", "first-key\nsecond-key", "é", "\udcff"],
)
def test_nothing_else_is(path: Path, wrong: str) -> None:
    assert not ApiKeys(path).find(wrong)


def test_a_key_beyond_ascii_is_compared_by_its_bytes(path: Path) -> None:
    path.write_text("clé\n")
    assert ApiKeys(path).find("clé")
    assert not ApiKeys(path).find("cle")


def test_new_keys_are_accepted_and_old_ones_refused_without_a_restart(path: Path) -> None:
    keys = ApiKeys(path)
    path.write_text("third-key\n")
    assert keys.find("third-key")
    assert not keys.find("first-key")


def test_a_secret_that_is_replaced_as_kubernetes_does_it_is_read_again(tmp_path: Path) -> None:
    for version in ("old", "new"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "api_keys").write_text(f"{version}-key\n")
    data = tmp_path / "data"
    data.symlink_to("old")
    keys = ApiKeys(data / "api_keys")
    assert keys.find("old-key")
    swapped = tmp_path / "swapped"
    swapped.symlink_to("new")
    swapped.rename(data)
    assert keys.find("new-key")
    assert not keys.find("old-key")


@pytest.mark.parametrize("content", [b"", b"# nothing\n", b"\xff\xfe\n"])
def test_a_file_that_becomes_useless_locks_nobody_out(path: Path, content: bytes) -> None:
    keys = ApiKeys(path)
    path.write_bytes(content)
    assert keys.find("first-key")
    path.write_text("third-key\n")
    assert keys.find("third-key")
    assert not keys.find("first-key")


def test_a_file_that_is_gone_for_a_moment_locks_nobody_out(path: Path) -> None:
    keys = ApiKeys(path)
    path.unlink()
    assert keys.find("first-key")
    path.write_text("third-key\n")
    assert keys.find("third-key")


@pytest.mark.parametrize("content", [b"", b"\n# nothing\n", b"\xff\xfe\n"])
def test_no_key_at_the_start_is_a_configuration_error(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="api_keys_file"):
        ApiKeys(path)


def test_no_file_at_the_start_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="api_keys_file"):
        ApiKeys(tmp_path / "missing")
