"""Where a result goes: JSON, HTML and JUnit files. Each is written whole or not at all."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from bench.report.html import html
from bench.report.junit import junit
from bench.report.model import Result
from bench.report.quantities import Part


class CannotWrite(Exception):
    """A file cannot be written; the message names it and says why."""


class Files(NamedTuple):
    """The files that were asked for."""

    json: Path | None = None
    html: Path | None = None
    junit: Path | None = None

    def require(self) -> None:
        """Checks that they can be written, before a long run is lost.

        Raises:
            CannotWrite: one cannot.
        """
        for path in self:
            if path is not None and not (
                path.parent.is_dir() and os.access(path.parent, os.W_OK) and not path.is_dir()
            ):
                raise CannotWrite(f"{path} cannot be written: its directory is missing or not yours to write to")


def write(result: Result, files: Files) -> None:
    """Writes those that were asked for.

    Raises:
        CannotWrite: one cannot be.
    """
    forms = {"json": lambda: as_json(result), "html": lambda: html(result), "junit": lambda: junit(result)}
    write_forms(forms, files)


def as_json(document: Part) -> str:
    """The text of a JSON file."""
    return document.model_dump_json(indent=2) + "\n"


def write_forms(forms: Mapping[str, Callable[[], str]], files: Files) -> None:
    """Writes something else than a result, in the forms that were asked for.

    Raises:
        CannotWrite: one cannot be.
    """
    for form, path in files._asdict().items():
        if path is not None:
            _write(path, forms[form]())


def _write(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if path.exists() and not path.is_file():
            # A pipe, or the terminal: what is there must stay what it is.
            path.write_text(text, encoding="utf-8")
            return
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise CannotWrite(f"{path} cannot be written: {error.strerror}") from None
