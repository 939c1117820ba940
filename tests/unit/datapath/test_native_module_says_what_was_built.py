"""The native module reports its build and keeps what its stub promises."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

datapath = pytest.importorskip("offhook_datapath", reason="the native module is not built here")

_ALLOWLIST = Path(__file__).parents[3] / "datapath" / "stubtest-allowlist.txt"


def test_the_build_is_a_release_of_the_installed_version() -> None:
    info = datapath.build_info()
    assert info.version == version("offhook-datapath")
    assert info.profile == "release"
    assert info.target.count("-") >= 2


def test_the_stub_matches_the_module() -> None:
    command = [sys.executable, "-m", "mypy.stubtest", "offhook_datapath", "--concise", "--allowlist", str(_ALLOWLIST)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
