"""`offhook size`: pods, cores, bits and GPUs follow from figures, each of which names a measurement that exists."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from math import ceil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from bench.report.model import Machine, Row
from bench.report.points import Bench, points_result
from bench.report.quantities import Figure as Measured
from offhook.cli.main import app
from offhook.sizing.figures import Figure, load_figures
from offhook.sizing.plan import MOST_CALLS_PER_TRANSCEIVER, Media, Plan, Role, TurnTaking, Wanted, plan

ROOT = Path(__file__).parents[3]
FIGURES = load_figures()
PLAIN = Wanted(calls=1000)


def role(made: Plan, name: str) -> Role:
    (found,) = [each for each in made.roles if each.role == name]
    return found


def with_figures(**values: float) -> Mapping[str, Figure]:
    """The figures, some of them changed."""
    return {**FIGURES, **{name: replace(FIGURES[name], value=value) for name, value in values.items()}}


def test_every_figure_names_a_page_or_a_result_that_exists() -> None:
    assert len(FIGURES) > 8
    for figure in FIGURES.values():
        page = re.match(r"((docs|offhook)/[\w/.-]+)", figure.measured)
        assert page is not None, figure
        named = page[1]
        assert list(ROOT.glob(named if named.endswith((".md", ".json")) else f"{named}-*.md")), figure
        assert figure.value > 0


@pytest.mark.parametrize(
    ("figure", "page"),
    [
        ("relay_us_per_packet", "docs/sizing.md"),
        ("transceiver_echo_ms_per_second", "docs/sizing.md"),
        ("transceiver_setup_ms", "docs/sizing.md"),
        ("transceiver_kib_per_call", "docs/sizing.md"),
        ("transceiver_mib", "docs/sizing.md"),
        ("relay_mib", "docs/sizing.md"),
        ("turns_speaking_ms_per_second", "docs/turn-taking.md"),
    ],
)
def test_a_figure_is_the_one_of_its_page(figure: str, page: str) -> None:
    assert f"{FIGURES[figure].value:g}" in (ROOT / page).read_text()


def test_relays_are_sized_by_packets() -> None:
    # 100 packets a call and second at 2 µs are 0.2 ms: 3,000 calls in 60 % of a core.
    figures = with_figures(relay_us_per_packet=2.0)
    assert role(plan(PLAIN, figures), "relay").pods == 2
    assert role(plan(replace(PLAIN, calls=3000), figures), "relay").pods == 2
    assert role(plan(replace(PLAIN, calls=3001), figures), "relay").pods == 3
    assert plan(PLAIN, figures).packets_per_second == 100_000


def test_a_transceiver_is_full_when_its_loop_is() -> None:
    # 3 ms of 600: 200 calls.
    figures = with_figures(transceiver_echo_ms_per_second=3.0, transceiver_setup_ms=0.0)
    assert role(plan(PLAIN, figures), "transceiver").pods == 1000 // 200 + 1
    # Set-ups of 0.3 s each, one in five minutes and call, are 1 ms of each second: 150 calls.
    figures = with_figures(transceiver_echo_ms_per_second=3.0, transceiver_setup_ms=300.0)
    assert role(plan(PLAIN, figures), "transceiver").pods == ceil(1000 / 150) + 1
    # And calls that cost nothing are bounded by what a lost process may cost.
    free = with_figures(transceiver_echo_ms_per_second=0.001)
    assert role(plan(PLAIN, free), "transceiver").pods == ceil(1000 / MOST_CALLS_PER_TRANSCEIVER) + 1


def test_samples_and_turn_taking_cost_cores_and_are_left_out_where_they_are_not_wanted() -> None:
    samples = role(plan(PLAIN, FIGURES), "transceiver")
    loud = role(plan(replace(PLAIN, turns=TurnTaking.LOUDNESS), FIGURES), "transceiver")
    bare = plan(replace(PLAIN, media=Media.PASSTHROUGH, turns=TurnTaking.NONE), FIGURES)
    assert samples.cores is not None
    assert loud.cores is not None
    assert samples.cores > loud.cores > (role(bare, "transceiver").cores or 0) > 0
    used = {figure.name for figure in bare.rests_on}
    assert not {name for name in used if name.startswith(("turns", "decode", "encode"))}
    assert "transceiver_echo_ms_per_second" in used


def test_workers_and_gpus_are_what_the_model_needs() -> None:
    workers = role(plan(replace(PLAIN, calls_per_worker=20, gpus_per_worker=0.5), FIGURES), "worker")
    assert (workers.pods, workers.gpus, workers.cores_per_pod) == (51, 25.5, None)


def test_bandwidth_is_what_the_formats_say() -> None:
    # 80 bytes of Opus in 68 of headers, 50 times a second: 59.2 kbit/s; 38 more behind the relay.
    made = plan(PLAIN, FIGURES)
    assert (made.client_mbps, made.inside_mbps) == (59.2, 74.4)


@given(st.integers(1, 100_000), st.floats(0, 0.9), st.sampled_from(Media), st.sampled_from(TurnTaking))
def test_any_pod_may_be_missing(calls: int, headroom: float, media: Media, turns: TurnTaking) -> None:
    made = plan(replace(PLAIN, calls=calls, headroom=headroom, media=media, turns=turns), FIGURES)
    for each in made.roles:
        assert each.pods >= 2
        assert each.pods * each.calls_per_pod >= calls
    transceiver = role(made, "transceiver")
    assert ceil(calls / (transceiver.pods - 1)) <= MOST_CALLS_PER_TRANSCEIVER


def test_more_calls_never_need_less() -> None:
    before = plan(replace(PLAIN, calls=1), FIGURES)
    for calls in (10, 100, 399, 400, 401, 5000):
        made = plan(replace(PLAIN, calls=calls), FIGURES)
        for now, then in zip(made.roles, before.roles, strict=True):
            assert now.pods >= then.pods
        before = made


def test_the_command_says_it_to_people_and_to_scripts() -> None:
    told = CliRunner().invoke(app, ["size", "--calls", "1000"])
    assert told.exit_code == 0
    assert "Rests on:" in told.output
    assert "offhook/sizing/results/relay.json" in told.output
    scripted = CliRunner().invoke(app, ["size", "--calls", "1000", "--turns", "none", "--json"])
    content = json.loads(scripted.output)
    assert [each["role"] for each in content["roles"]] == ["relay", "transceiver", "worker"]
    assert content["wanted"]["turns"] == "none"
    assert all(figure["measured"] for figure in content["rests_on"])


def result(bench: str, *rows: Row) -> str:
    """What `offhook bench` has written."""
    made = points_result(Bench(bench, datetime(2026, 11, 24, tzinfo=UTC), {}), rows)
    where = Machine(cpu="Z80", cores=64, kernel="7.0", python="3.11", load_average=(0, 0, 0))
    return made.model_copy(update={"run": made.run.model_copy(update={"machine": where})}).model_dump_json()


def row(contender: str, labels: Mapping[str, int], *, invalid: str | None = None, **figures: float) -> Row:
    """One point."""
    return Row(
        name=f"{contender}, {labels}",
        labels={"contender": contender, **labels},
        figures=tuple(Measured(name=name, unit="ms", value=value) for name, value in figures.items()),
        invalid=invalid,
    )


OF_TRANSCEIVERS = result(
    "transceiver",
    row("native:echo", {"sessions": 50}, cpu_per_call=7.0, cpu_per_setup=7.0, memory=7.0),
    row("native:echo", {"sessions": 200}, cpu_per_call=3.0, cpu_per_setup=6.0, memory=111.2),
    # These count for nothing: another contender, a load at its limit, a storm.
    row("python:echo", {"sessions": 300}, cpu_per_call=8.0, cpu_per_setup=8.0, memory=8.0),
    row("native:echo", {"sessions": 400}, invalid="late", cpu_per_call=9.0, cpu_per_setup=9.0, memory=9.0),
    row("native:echo", {"sessions": 500}, setup_p99=9.0),
)
OF_RELAYS = result(
    "relay",
    row("native", {"packets_per_s": 50_000}, cpu_per_packet=2.5),
    row("native", {"packets_per_s": 200_000}, cpu_per_packet=1.5),
    row("baseline", {"packets_per_s": 50_000}, cpu_per_packet=9.0),
)


def test_a_plan_goes_by_what_was_measured_where_it_will_run(tmp_path: Path) -> None:
    options = []
    for name, written in (("t.json", OF_TRANSCEIVERS), ("r.json", OF_RELAYS)):
        (tmp_path / name).write_text(written)
        options += ["--measured", str(tmp_path / name)]
    told = CliRunner().invoke(app, ["size", "--calls", "1000", "--json", *options])
    used = {figure["name"]: figure for figure in json.loads(told.output)["rests_on"]}
    assert used["transceiver_echo_ms_per_second"]["value"] == 3.0
    assert used["transceiver_setup_ms"]["value"] == 6.0
    assert used["transceiver_kib_per_call"]["value"] == 111
    assert used["relay_us_per_packet"]["value"] == 2.5
    measured = used["transceiver_setup_ms"]["measured"]
    assert measured.startswith(f"{tmp_path}/t.json: offhook bench transceiver, native:echo, ")
    assert "64 cores of Z80, Linux 7.0" in measured
    assert measured.endswith("2026-11-24")
    # What the reader has not measured is as it was.
    assert used["turns_speaking_ms_per_second"]["value"] == FIGURES["turns_speaking_ms_per_second"].value


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", "\xff", result("calls"), result("transceiver"), OF_RELAYS.replace("native", "python")],
    ids=["nothing", "a list", "an object", "no UTF-8", "another benchmark", "no rows", "another engine"],
)
def test_a_file_that_is_no_such_result_is_refused_in_a_line(content: str, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(content, encoding="latin-1")
    told = CliRunner().invoke(app, ["size", "--calls", "5", "--measured", str(path)])
    assert (told.exit_code, told.stdout) == (2, "")
    assert told.stderr.startswith(f"offhook size: {path}: ")
    assert told.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "wrong", [["--calls", "0"], [], ["--calls", "5", "--headroom", "1"], ["--calls", "5", "--media", "x"]]
)
def test_what_makes_no_sense_is_refused(wrong: list[str]) -> None:
    assert CliRunner().invoke(app, ["size", *wrong]).exit_code == 2
