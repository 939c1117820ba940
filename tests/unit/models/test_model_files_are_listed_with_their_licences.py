"""The manifest, its page in docs/ and the command line agree."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from offhook.models.manifest import MODEL_FILES, ModelFile

PAGE = Path(__file__).parents[3] / "docs" / "models.md"


def offhook_models(*arguments: str, directory: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "offhook", "models", *arguments],
        env={"OFFHOOK_MODELS": str(directory), "PIP_NO_INDEX": "1", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


@pytest.mark.parametrize("file", MODEL_FILES, ids=lambda file: file.name)
def test_the_page_lists_every_file(file: ModelFile) -> None:
    wheel, size = file.wheel, f"{file.size_bytes / 1e6:.1f} MB"
    whence = f"{wheel.package} {wheel.version}"
    row = f"| `{file.name}` | {file.purpose} | {whence} | {wheel.licence} | {size} | `{file.sha256}` |"
    assert row in PAGE.read_text().splitlines()


def test_the_page_lists_no_other_file() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert len(rows) == len(MODEL_FILES)


def test_an_empty_directory_is_listed_verified_and_reported(tmp_path: Path) -> None:
    listed = offhook_models("list", "--json", directory=tmp_path)
    assert listed.returncode == 0
    content = json.loads(listed.stdout)
    assert content["directory"] == str(tmp_path)
    assert {file["state"] for file in content["files"]} == {"missing"}

    verified = offhook_models("verify", directory=tmp_path)
    assert verified.returncode == 1
    assert verified.stderr.count("missing") == len(MODEL_FILES)


def test_a_fetch_without_a_network_is_one_line_and_status_1(tmp_path: Path) -> None:
    failed = offhook_models("fetch", "--quiet", directory=tmp_path)
    assert failed.returncode == 1
    assert failed.stderr.startswith("offhook models: silero-vad 6.2.3: ")
    assert failed.stderr.count("\n") == 1
