"""The directory that holds the model files, and whether they are what the manifest says."""

import hashlib
import os
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

from offhook.models.manifest import MODEL_FILES, ModelFile, Part

DIRECTORY_VARIABLE = "OFFHOOK_MODELS"


class FileState(StrEnum):
    """How one file of the manifest is found."""

    PRESENT = "present"
    MISSING = "missing"
    DAMAGED = "damaged"
    """Another size or another hash than pinned."""


def models_directory() -> Path:
    """Where model files lie: $OFFHOOK_MODELS, else the user's cache directory."""
    chosen = os.environ.get(DIRECTORY_VARIABLE)
    if chosen:
        return Path(chosen)
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "offhook" / "models"


def glance(directory: Path, file: ModelFile) -> FileState:
    """The state of `file` as far as its size tells: quick enough for every start."""
    try:
        size = (directory / file.name).stat().st_size
    except OSError:
        return FileState.MISSING
    return FileState.PRESENT if size == file.size_bytes else FileState.DAMAGED


def verify(directory: Path, file: ModelFile) -> FileState:
    """The state of `file`, hash included."""
    state = glance(directory, file)
    if state is not FileState.PRESENT:
        return state
    with (directory / file.name).open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return FileState.PRESENT if digest == file.sha256 else FileState.DAMAGED


def has_part(part: Part, directory: Path | None = None) -> bool:
    """Whether every file that `part` needs is there."""
    where = models_directory() if directory is None else directory
    return all(glance(where, file) is FileState.PRESENT for file in MODEL_FILES if file.part is part)


def unsound(directory: Path, files: Iterable[ModelFile] = MODEL_FILES) -> list[ModelFile]:
    """The files that have to be fetched, by hash."""
    return [file for file in files if verify(directory, file) is not FileState.PRESENT]
