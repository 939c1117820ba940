"""What a check says."""

from collections.abc import Iterable
from enum import StrEnum, unique
from typing import NamedTuple


@unique
class Status(StrEnum):
    """How it is. Only FAILED keeps something from working."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


class Finding(NamedTuple):
    """One check's result.

    Attributes:
        check: what was looked at, the same on every host.
        status: how it is.
        found: what was seen.
        advice: what to do; empty when all is well.
    """

    check: str
    status: Status
    found: str
    advice: str = ""


def ok(check: str, found: str) -> Finding:
    """All is well."""
    return Finding(check, Status.OK, found)


def warning(check: str, found: str, advice: str) -> Finding:
    """It works, but not as well as it could."""
    return Finding(check, Status.WARNING, found, advice)


def failed(check: str, found: str, advice: str) -> Finding:
    """It will not work."""
    return Finding(check, Status.FAILED, found, advice)


def any_failed(findings: Iterable[Finding]) -> bool:
    """Whether anything will not work."""
    return any(finding.status is Status.FAILED for finding in findings)
