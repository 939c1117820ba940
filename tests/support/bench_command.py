"""`offhook bench` as tests run it, and what may keep it from running here."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from typer.testing import CliRunner

from bench.client import build
from bench.machine import CannotMeasure
from offhook.cli.main import app


def command(name: str, *arguments: str) -> list[str]:
    """The command line."""
    return [sys.executable, "-m", "offhook", "bench", name, *arguments]


def bench(name: str, *arguments: str, key: str | None = None) -> subprocess.CompletedProcess[str]:
    """Runs it to its end."""
    return subprocess.run(
        command(name, *arguments), capture_output=True, text=True, timeout=300, check=False, env=environment(key)
    )


def environment(key: str | None = None) -> Mapping[str, str]:
    """This one, with that key or none."""
    bare = {name: value for name, value in os.environ.items() if name != "OFFHOOK_API_KEY"}
    return bare if key is None else {**bare, "OFFHOOK_API_KEY": key}


def missing_callers() -> str | None:
    """Why the load client cannot be built here; None if it is."""
    try:
        build()
    except CannotMeasure as error:
        return str(error)
    return None


def missing_tools(*tools: str, cores: int = 1, root: bool = False) -> str | None:
    """What of these is not here; None if all is."""
    path = f"{os.environ.get('PATH', '')}:{Path.home() / '.cargo' / 'bin'}"
    missing = [tool for tool in tools if shutil.which(tool, path=path) is None]
    if (os.cpu_count() or 1) < cores:
        missing.append(f"{cores} cores")
    if root and os.geteuid() != 0:
        missing.append("root")
    return f"needs {', '.join(missing)}" if missing else None


def refused(name: str, *arguments: str) -> str:
    """What the command says, on one line of standard error, where it ends with 2 before it has done anything."""
    ended = CliRunner().invoke(app, ["bench", name, *arguments])
    assert ended.exit_code == 2, ended.output
    (line,) = ended.stderr.splitlines()
    return line
