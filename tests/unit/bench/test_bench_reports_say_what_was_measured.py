"""What a result says of itself: the sentence on top, figures as they are printed, SLOs, JUnit, files."""

import io
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from bench.report.headline import headline
from bench.report.html import html
from bench.report.junit import junit
from bench.report.model import Calls, Capacity, Failure, Result, Row, Run, Target, Verdict
from bench.report.quantities import Figure, Unit
from bench.report.shown import shown
from bench.report.slo import parse_bound
from bench.report.svg import ticks
from bench.report.terminal import print_summary
from bench.report.write import CannotWrite, Files, write
from tests.support.bench_results import calls_result, rows_result, run


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "ms", "\u2013"),
        (0, "ms", "0 ms"),
        (0.00042, "ms", "0.42 µs"),
        (0.4212, "ms", "0.421 ms"),
        (4.2, "ms", "4.2 ms"),
        (83.21, "ms", "83.2 ms"),
        (836.9, "ms", "837 ms"),
        (1500, "ms", "1.5 s"),
        (60_000, "ms", "60 s"),
        (600, "s", "10 min"),
        (12.5, "us", "12.5 µs"),
        (3_200, "us", "3.2 ms"),
        (0.00273, "share", "0.273 %"),
        (0.0000021, "share", "0.00021 %"),
        (1.0, "share", "100 %"),
        (398_000, "packets", "398,000"),
        (12.5, "count", "12.5"),
        (512, "KiB", "512 KiB"),
        (118_410, "KiB", "116 MiB"),
        (4.3, "mos", "4.30"),
        (0.613, "ms/call-second", "0.613 ms/s"),
        (1.31, "times", "1.31-fold"),
    ],
)
def test_a_value_is_printed_with_three_digits_and_its_unit(value: float | None, unit: Unit, text: str) -> None:
    assert shown(value, unit) == text


@pytest.mark.parametrize(("high", "last"), [(0, 1), (7, 8), (10, 10), (199, 200), (0.031, 0.04), (12_345, 15_000)])
def test_axes_end_at_a_round_value_above_the_highest(high: float, last: float) -> None:
    assert ticks(high)[-1] == pytest.approx(last)
    assert ticks(high)[0] == 0


def test_a_run_that_kept_all_bounds_passed() -> None:
    said = headline(calls_result())
    assert said.word == "passed"
    assert said.sentence == "199 of 200 calls came up; every bound was kept; 58 calls felt kill-relay@22s."
    assert said.asked == "200 calls that play 'echo', to http://127.0.0.1:8080/whip, in 50 s."


def test_a_run_that_broke_a_bound_failed_and_says_by_how_much() -> None:
    said = headline(calls_result(bounds=("setup.p99<=50ms", "round_trip.p50<=1ms", "lost_share<=1%")))
    assert said.word == "failed"
    assert "call setup, p99, was 214 ms where at most 50 ms is allowed (and 1 more)" in said.sentence


def test_a_run_without_bounds_is_only_measured() -> None:
    assert headline(calls_result(bounds=())).word == "measured"


def test_what_was_not_measured_keeps_no_bound() -> None:
    said = headline(calls_result(bounds=("first_audio.p50<=1s",)))
    assert (said.word, "not measured" in said.sentence) == ("failed", True)


def test_a_limit_of_the_generator_outranks_every_bound() -> None:
    result = calls_result(verdict=Verdict(valid=False, invalid_because=("it used 99 % of its core", "it sent late")))
    said = headline(result)
    assert said.word == "not valid"
    assert said.sentence.endswith("it used 99 % of its core.")
    assert "it sent late" in html(result)


def test_no_call_at_all_is_a_failure() -> None:
    dead = Calls(planned=5, begun=5, up=0, failures=(Failure(cause="refused", count=5),))
    said = headline(calls_result(bounds=(), calls=dead, packets=None, distributions=()))
    assert (said.word, said.sentence.partition(";")[0]) == ("failed", "No call of 5 came up")


@pytest.mark.parametrize(
    ("calls", "stopped_by", "sentence"),
    [
        (
            320,
            "setup.p99<=1s",
            "The target carries 320 calls at once within every bound; beyond that setup.p99<=1s broke.",
        ),
        (90, "generator", "beyond that the load generator, not the target, was the limit."),
        (90, "limit", "it was not asked for more."),
        (90, "machine", "beyond that the machine that target and load share was the limit."),
        (0, "lost_share<=1%", "Not even the first step kept every bound: lost_share<=1% broke."),
    ],
)
def test_a_search_for_capacity_says_what_it_found(calls: int, stopped_by: str, sentence: str) -> None:
    found = Verdict(valid=True, capacity=Capacity(calls=calls, stopped_by=stopped_by))
    assert headline(calls_result(bounds=(), verdict=found)).sentence.endswith(sentence)


def test_a_table_that_is_too_wide_for_a_terminal_becomes_several_and_no_cell_is_cut() -> None:
    names = [f"cpu_process-{number}" for number in range(1, 13)]
    figures = tuple(Figure(name=name, unit="share", value=0.123) for name in names)
    rows = tuple(Row(name=f"{calls} calls", figures=figures) for calls in (220, 330))
    out = io.StringIO()
    print_summary(rows_result().model_copy(update={"rows": rows}), Console(file=out, width=80))
    told = out.getvalue()
    assert all(len(line) <= 80 for line in told.splitlines())
    assert told.count("12.3 %") == 24
    assert told.count("220 calls") == told.count("330 calls") > 1
    for number in range(1, 13):
        assert f"process-{number}" in told


def test_points_that_are_not_valid_are_told() -> None:
    assert headline(rows_result()).sentence == "4 points measured, 1 of them not valid."


@pytest.mark.parametrize(
    ("text", "limit", "unit", "bound"),
    [
        ("setup.p99<=800ms", 800, "ms", "most"),
        ("setup.p99 <= 1.5s", 1500, "ms", "most"),
        ("lost_share<=0.5%", 0.005, "share", "most"),
        ("mos.p50>=4.1", 4.1, "mos", "least"),
    ],
)
def test_a_bound_is_read(text: str, limit: float, unit: str, bound: str) -> None:
    read = parse_bound(text)
    assert read.limit == pytest.approx(limit)
    assert {"unit": read.unit, "bound": read.bound} == {"unit": unit, "bound": bound}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is not of the form"),
        ("setup", "is not of the form"),
        ("setup.p99<800ms", "is not of the form"),
        ("setup<=800ms", "such as setup.p99"),
        ("setup.p42<=800ms", "a quantile is one of"),
        ("setup.p99<=800", "a time has a unit"),
        ("setup.p99<=8 parsecs", "a time has a unit"),
    ],
)
def test_what_is_no_bound_is_refused_with_what_to_write(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        parse_bound(text)


def test_junit_has_a_case_for_each_slo_and_one_for_the_run() -> None:
    suite = ElementTree.fromstring(junit(calls_result(bounds=("setup.p99<=50ms", "lost_share<=1%"))))[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "0")
    cases = {case.get("name"): case.find("failure") for case in suite.iter("testcase")}
    assert list(cases) == ["the run is valid", "setup.p99<=50ms", "lost_share<=1%"]
    failure = cases["setup.p99<=50ms"]
    assert failure is not None
    assert failure.get("message") == "measured 214 ms, asked for setup.p99<=50ms"


def test_junit_of_an_invalid_run_is_an_error() -> None:
    suite = ElementTree.fromstring(junit(calls_result(verdict=Verdict(valid=False, invalid_because=("late",)))))[0]
    assert (suite.get("errors"), suite.get("failures")) == ("1", "0")


def test_what_a_target_says_cannot_become_a_script() -> None:
    evil = "<script>alert(1)</script>"
    failed = Calls(planned=1, begun=1, up=0, failures=(Failure(cause="refused", count=1, first=evil),))
    page = html(calls_result(calls=failed))
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_nothing_in_the_page_is_fetched() -> None:
    page = html(calls_result(run=run(target=Target(kind="local"))))
    assert "http" not in page.replace('xmlns="http://www.w3.org/2000/svg"', "").replace("http-equiv", "")


def test_a_result_without_calls_rows_or_time_is_still_a_page() -> None:
    bare = Result(run=run("relay-soak"), verdict=Verdict(valid=True))
    assert "offhook bench relay-soak" in html(bare)


def test_files_that_cannot_be_written_are_found_before_the_run(tmp_path: Path) -> None:
    with pytest.raises(CannotWrite, match="missing"):
        Files(html=tmp_path / "none" / "report.html").require()
    Files(json=tmp_path / "result.json").require()


def test_a_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    there = tmp_path / "result.json"
    there.write_text("old")
    write(calls_result(), Files(json=there, junit=tmp_path / "junit.xml"))
    assert Result.model_validate_json(there.read_text()) == calls_result()
    assert {path.name for path in tmp_path.iterdir()} == {"result.json", "junit.xml"}


def test_a_run_says_when_it_was_ended_by_hand() -> None:
    assert headline(calls_result(run=run(interrupted=True))).asked.endswith("Ended early by hand.")
    assert isinstance(run(), Run)


def test_a_terminal_of_eighty_columns_cuts_no_figure() -> None:
    out = io.StringIO()
    result = calls_result()
    print_summary(result, Console(file=out, width=80))
    told = out.getvalue()
    setup, (process, _) = result.distribution("setup"), result.processes
    assert setup is not None
    for value in (setup.p50, setup.p90, setup.p95, setup.p99, setup.max):
        assert shown(value, "ms") in told
    assert shown(process.cpu_ms_per_call_second, "ms/call-second") in told
    assert shown(process.rss_kb_end, "KiB") in told
