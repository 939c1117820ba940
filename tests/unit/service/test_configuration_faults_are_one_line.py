"""What a person gets to read who made a mistake in a configuration or key file."""

import json
from base64 import b64encode
from pathlib import Path

import pytest
from pydantic import Field, ValidationError

from offhook.service.config import Config, ConfigError, load_config, load_key_ring, new_key_file
from wire.ufrag import RouteToken


class Limits(Config):
    most: int = Field(1, gt=0, description="How many.")


class Example(Config):
    name: str = Field(description="What it is called.")
    limits: Limits = Field(default_factory=Limits, description="Bounds.")


def written(directory: Path, content: str | bytes) -> Path:
    path = directory / "file.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_yaml_and_json_are_read(tmp_path: Path) -> None:
    for content in ("name: a\nlimits: {most: 3}\n", '{"name": "a", "limits": {"most": 3}}'):
        assert load_config(written(tmp_path, content), Example) == Example(name="a", limits=Limits(most=3))


def test_values_may_name_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POD_INDEX", "3")
    monkeypatch.setenv("POD_IP", "2001:db8::7")
    content = "name: 'at ${POD_IP}:7000, not ${POD_IP}'\nlimits: {most: '${POD_INDEX}'}\n"
    expected = Example(name="at [2001:db8::7]:7000, not 2001:db8::7", limits=Limits(most=3))
    assert load_config(written(tmp_path, content), Example) == expected


def test_a_variable_that_is_not_set_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POD_NAME", raising=False)
    with pytest.raises(ConfigError, match=r"file\.yaml: environment variable POD_NAME is not set"):
        load_config(written(tmp_path, "name: ${POD_NAME}\n"), Example)


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Example(name="a").name = "b"  # type: ignore[misc]  # that it is refused is the point


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "must be a mapping"),
        ("- a\n- b\n", "must be a mapping"),
        ("name: [a\n", "is not YAML (line 2)"),
        ("name: *nothing\n", "is not YAML (line 1)"),
        (b"name: \xff\n", "is not UTF-8"),
        ("limits: {}\n", "name: is required"),
        ("name: a\nnme: b\n", "nme: no such setting"),
        ("name: a\nlimits: {most: none}\n", "limits.most: "),
        ("name: a\nlimits: {most: 0}\n", "limits.most: "),
        ("nme: b\nlimits: {most: 0}\n", "name: is required; limits.most: "),
        ("!!python/object/apply:os.getcwd []", "is not YAML"),
    ],
)
def test_a_fault_is_one_line_with_file_and_field(tmp_path: Path, content: str | bytes, complaint: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(ConfigError) as caught:
        load_config(path, Example)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert complaint in message
    assert "\n" not in message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_config(tmp_path / "nothing.yaml", Example)


def test_a_fresh_key_file_is_a_key_ring(tmp_path: Path) -> None:
    path = written(tmp_path, json.dumps(new_key_file()))
    ring = load_key_ring(path)
    token = RouteToken(1, 2, 3)
    assert ring.decode_ufrag(ring.mint_ufrag(token).encode()) == token
    assert new_key_file() != new_key_file()


def key(config_id: str, *, mint: bool = False, size: int = 32, fill: int = 1) -> dict[str, object]:
    return {"id": config_id, "secret": b64encode(bytes([fill]) * size).decode(), "mint": mint}


def test_one_key_mints_and_all_are_accepted(tmp_path: Path) -> None:
    old = load_key_ring(written(tmp_path, json.dumps({"configurations": [key("A", mint=True)]})))
    both = {"configurations": [key("A"), key("B", mint=True, fill=2)]}
    new = load_key_ring(written(tmp_path, json.dumps(both)))
    token = RouteToken(1, 2, 3)
    assert new.mint_ufrag(token)[0] == "B"
    assert new.decode_ufrag(old.mint_ufrag(token).encode()) == token


@pytest.mark.parametrize(
    ("configurations", "complaint"),
    [
        ([], "at least 1"),
        ([key("A")], "exactly one"),
        ([key("A", mint=True), key("B", mint=True)], "exactly one"),
        ([key("A", mint=True), key("A", fill=2)], "id 'A'"),
        ([key("AB", mint=True)], "configurations.0: "),
        ([key("é", mint=True)], "configurations.0: "),
        ([key("A", mint=True, size=16)], "32 bytes"),
        ([{**key("A", mint=True), "secret": "SECRET-not-base64"}], "base64"),
        ([{**key("A", mint=True), "secrte": "SECRET"}], "configurations.0.secrte: no such setting"),
        ([{**key("A", mint=True), "secret": ["SECRET"]}], "configurations.0.secret: "),
    ],
)
def test_a_wrong_key_file_is_refused_without_a_word_of_its_secrets(
    tmp_path: Path, configurations: list[dict[str, object]], complaint: str
) -> None:
    path = written(tmp_path, json.dumps({"configurations": configurations}))
    with pytest.raises(ConfigError) as caught:
        load_key_ring(path)
    message = str(caught.value)
    assert complaint in message
    assert "\n" not in message
    assert "SECRET" not in message
    assert b64encode(b"\1" * 12).decode() not in message


def test_a_broken_line_with_a_secret_is_not_quoted(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_key_ring(written(tmp_path, "configurations: [{id: A, secret: SECRET, mint: true\n"))
    assert "SECRET" not in str(caught.value)
