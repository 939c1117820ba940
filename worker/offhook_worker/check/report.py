"""Findings as people and as programs read them."""

import json
from collections import Counter
from collections.abc import Sequence

from offhook_worker.check.finding import Finding, Status, any_failed

_NAME_WIDTH, _STATUS_WIDTH = 18, 8


def one_line(finding: Finding) -> str:
    """A finding on a line of its own, what to do about it indented below."""
    line = f"{finding.check:<{_NAME_WIDTH}}{finding.status:<{_STATUS_WIDTH}}{finding.found}"
    return f"{line}\n{'':{_NAME_WIDTH + _STATUS_WIDTH}}-> {finding.advice}" if finding.advice else line


def summary(findings: Sequence[Finding]) -> str:
    """The last line of a report: how many there are of each kind."""
    counts = Counter(finding.status for finding in findings)
    said = ", ".join(f"{counts[status]} {status}" for status in Status if counts[status])
    if len(findings) == 1:
        return "The worker could not be checked."
    verdict = "The worker breaks the protocol" if any_failed(findings) else "The worker conforms"
    return f"{verdict}: {said}."


def as_json(address: str, findings: Sequence[Finding]) -> str:
    """One JSON object."""
    body = {
        "worker": address,
        "failed": any_failed(findings),
        "findings": [finding._asdict() for finding in findings],
    }
    return json.dumps(body, indent=2)
