"""The result as JUnit XML, for the gate of a CI: one test case for each SLO, one for the run being valid."""

from xml.etree.ElementTree import Element, SubElement, tostring

from bench.report.headline import headline
from bench.report.model import Result, Slo
from bench.report.shown import shown


def junit(result: Result) -> str:
    """The document. A run that is not valid is an error, an SLO that was broken a failure."""
    name = f"offhook bench {result.run.bench}"
    errors, failures = int(not result.verdict.valid), sum(not slo.met for slo in result.verdict.slos)
    counts = {"tests": str(1 + len(result.verdict.slos)), "failures": str(failures), "errors": str(errors)}
    times = {"time": f"{result.run.duration_s:.3f}", "timestamp": result.run.started_at.isoformat(timespec="seconds")}
    root = Element("testsuites", {"name": name, **counts, "time": times["time"]})
    suite = SubElement(root, "testsuite", {"name": name, **counts, **times})
    valid = SubElement(suite, "testcase", {"classname": name, "name": "the run is valid"})
    if not result.verdict.valid:
        error = SubElement(valid, "error", {"message": result.verdict.invalid_because[0]})
        error.text = "\n".join(result.verdict.invalid_because)
    for slo in result.verdict.slos:
        _case(suite, name, slo)
    SubElement(suite, "system-out").text = headline(result).sentence
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _case(suite: Element, classname: str, slo: Slo) -> None:
    case = SubElement(suite, "testcase", {"classname": classname, "name": slo.name})
    measured = shown(slo.actual, slo.unit) if slo.actual is not None else "nothing"
    if slo.met:
        SubElement(case, "system-out").text = f"measured {measured}"
    else:
        SubElement(case, "failure", {"message": f"measured {measured}, asked for {slo.name}", "type": "slo"})
