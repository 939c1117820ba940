"""The result as JUnit XML, for the gate of a CI: one test case for each SLO, one for the run being valid."""

from collections.abc import Sequence
from typing import NamedTuple
from xml.etree.ElementTree import Element, SubElement, tostring

from bench.report.headline import headline
from bench.report.model import Result, Run, Slo
from bench.report.shown import shown


class Case(NamedTuple):
    """One test case: its name, what was found, and why that is a failure or an error, if it is."""

    name: str
    found: str = ""
    failure: str | None = None
    error: str | None = None


def junit(result: Result) -> str:
    """The document of a result. A run that is not valid is an error, an SLO that was broken a failure."""
    invalid = "\n".join(result.verdict.invalid_because) or None
    cases = [Case("the run is valid", error=invalid), *map(_case, result.verdict.slos)]
    return document(f"offhook bench {result.run.bench}", cases, headline(result).sentence, result.run)


def _case(slo: Slo) -> Case:
    measured = f"measured {shown(slo.actual, slo.unit) if slo.actual is not None else 'nothing'}"
    return Case(slo.name, measured, None if slo.met else f"{measured}, asked for {slo.name}")


def document(name: str, cases: Sequence[Case], finding: str, run: Run) -> str:
    """The document of some cases, which belong to a run."""
    failures = sum(case.failure is not None for case in cases)
    errors = sum(case.error is not None for case in cases)
    counts = {"tests": str(len(cases)), "failures": str(failures), "errors": str(errors)}
    times = {"time": f"{run.duration_s:.3f}", "timestamp": run.started_at.isoformat(timespec="seconds")}
    root = Element("testsuites", {"name": name, **counts, "time": times["time"]})
    suite = SubElement(root, "testsuite", {"name": name, **counts, **times})
    for case in cases:
        made = SubElement(suite, "testcase", {"classname": name, "name": case.name})
        for kind, why in (("failure", case.failure), ("error", case.error)):
            if why is not None:
                SubElement(made, kind, {"message": why.partition("\n")[0]}).text = why
        if case.found:
            SubElement(made, "system-out").text = case.found
    SubElement(suite, "system-out").text = finding
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"
