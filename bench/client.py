"""The load client, `bench/caller`: built when first needed, run as a process, read event by event.

It places real WebRTC calls and says what it measures; who runs it samples the server at the moments it names.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from bench.machine import CannotMeasure

CRATE: Final = Path(__file__).parent / "caller"
RELEASE: Final = CRATE / "target" / "release"
INSTALLED: Final = "offhook-caller"
"""What the load client is called where it comes with an image."""


LOAD_BUSY: Final = 0.97
"""From this share of its core on, the load client cannot have sent when it meant to."""
LOAD_LATE_US: Final = 20_000
"""One packet late at the 99th percentile: what was measured is the load's own delay."""


class LoadFailed(Exception):
    """The load client ended before its time; the message is what it said."""


def build() -> None:
    """Builds the load client and the echo server that comes with it; quick if they are built, or come with an image.

    Raises:
        CannotMeasure: there is no cargo, or the crate does not build here.
    """
    if shutil.which(INSTALLED):
        return
    # cmake, which libopus is built with, comes with the environment.
    path = ":".join((os.environ.get("PATH", ""), str(Path.home() / ".cargo" / "bin"), str(Path(sys.executable).parent)))
    cargo = shutil.which("cargo", path=path)
    if cargo is None:
        raise CannotMeasure("needs cargo 1.85 or newer, to build the load client")
    command = [cargo, "build", "--quiet", "--locked", "--release", "--manifest-path", str(CRATE / "Cargo.toml")]
    built = subprocess.run(command, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False)  # noqa: S603 - our own crate
    if built.returncode != 0:
        raise CannotMeasure(f"the load client does not build here:\n{built.stderr.strip()}")


def versions() -> dict[str, str]:
    """Versions of what the load client is made of, out of its lock file; none where that did not come with it."""
    names = {"str0m", "dimpl", "quinn-udp"}
    found: dict[str, str] = {}
    name = ""
    lock = CRATE / "Cargo.lock"
    for line in lock.read_text().splitlines() if lock.exists() else ():
        key, _, value = line.partition(" = ")
        if key == "name":
            name = value.strip('"')
        elif key == "version" and name in names:
            found[name] = value.strip('"')
    return found


def callers() -> list[str]:
    """The command of the load client, but for its options."""
    return [shutil.which(INSTALLED) or str(RELEASE / "caller")]


class Load:
    """A run of the load client. Use it as a context manager, and iterate over `events`.

    Args:
        options: what it is to do; its one argument, as JSON.
        core: that it runs on.
        program: another load that speaks as this one does; None: the callers.
    """

    def __init__(self, options: Mapping[str, Any], *, core: int | None, program: Sequence[str] | None = None) -> None:
        command = [*(program or callers()), json.dumps(options)]
        self._command = command if core is None else pinned(core, command)

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(  # noqa: S603 - built above
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()

    def events(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """What it says, as it says it.

        Raises:
            LoadFailed: it ended with an error.
        """
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        for line in self._process.stdout:
            event = json.loads(line)
            yield event.pop("event"), event
        if self._process.wait() != 0:
            raise LoadFailed(self._process.stderr.read().strip())

    def go_on(self) -> None:
        """After a checkpoint."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()


def pinned(core: int, command: list[str]) -> list[str]:
    """A command line that runs on one core."""
    return ["taskset", "-c", str(core), *command]


@contextmanager
def started(
    command: list[str], *, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A server process whose standard output is read here; it is stopped at the end, by force if need be."""
    with log.open("w") as errors:
        process = subprocess.Popen(  # noqa: S603 - the callers' own commands
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env={**os.environ, **(environment or {})}
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
