"""What a check found."""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple


class Status(StrEnum):
    """How it stands with one thing checked."""

    OK = "ok"
    WARNING = "warning"
    """It works, but callers would notice."""
    FAILED = "failed"
    SKIPPED = "skipped"
    """The model does not offer it, the run was not told to look, or what it needs has failed."""


class Finding(NamedTuple):
    """One line of the report.

    Attributes:
        check: what was looked at.
        found: what was seen, with figures.
        advice: what to do; empty where all is well.
    """

    check: str
    status: Status
    found: str
    advice: str = ""


class Fault(Exception):
    """Raised in a check that cannot go on: what was found, and what to do."""

    def __init__(self, found: str, advice: str) -> None:
        super().__init__(found)
        self.found = found
        self.advice = advice


class Gone(Fault):
    """Nobody answers at the worker's address."""


def any_failed(findings: Iterable[Finding]) -> bool:
    """Whether the worker breaks the protocol."""
    return any(finding.status is Status.FAILED for finding in findings)
