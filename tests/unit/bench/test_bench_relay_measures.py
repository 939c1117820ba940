"""`offhook bench relay` from the outside: what it writes, and how it refuses."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.relay.cpu_split import CpuSplit, split_of_stacks
from bench.report.model import Result
from offhook.cli.main import app
from tests.support.bench_command import bench, missing_tools, refused


@pytest.fixture(scope="module")
def measurable(require: Callable[[str | None], None]) -> None:
    """Namespaces can be made here, and processes pinned."""
    require(missing_tools("cc", "chrt", "ip", "taskset", cores=2, root=True))


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (("--relays", "steam"), "--relays knows"),
        (("--rates", "many"), "--rates are"),
        (("--rates", "0"), "at least 1"),
        (("--flows", "2000000"), "at most 1,000,000"),
    ],
)
def test_wrong_options_end_with_one_line_of_advice(arguments: tuple[str, ...], advice: str) -> None:
    assert advice in refused("relay", *arguments)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("where", [(), ("--loopback",)])
def test_a_short_run_measures_both_contenders(where: tuple[str, ...], measurable: None, tmp_path: Path) -> None:
    written, page = tmp_path / "result.json", tmp_path / "report.html"
    ended = bench(
        *("relay", "--relays", "baseline,python", "--rates", "2000", "--flows", "10,20", "--seconds", "1"),
        *("--rounds", "1", "--json", str(written), "--html", str(page), *where),
    )
    assert ended.returncode == 0, ended.stderr
    result = Result.model_validate_json(written.read_text())
    assert [row.name for row in result.rows] == [
        f"{relay}, 2,000/s, {flows} flows" for flows in (10, 20) for relay in ("baseline", "python")
    ]
    for row in result.rows:
        figures = {figure.name: figure.value or 0 for figure in row.figures}
        assert figures["cpu_per_packet"] > 0
        assert figures["memory_held"] > 0
        assert row.name in page.read_text()
        assert (figures["cpu_to_baseline"] == 1) == row.name.startswith("baseline")
    for point in result.details["points"]:
        assert point["forwarded_per_s"] > 0
        assert point["direct_us"]["p50"] + point["added_us"]["p50"] == point["one_way_us"]["p50"]
    assert result.details["points"][0]["batches"]["packets_per_batch"] >= 1


@pytest.mark.timeout(120)
def test_flow_sync_saves_the_calls_of_a_relay_that_dies(measurable: None, tmp_path: Path) -> None:
    pytest.importorskip("offhook_datapath", reason="the native module is not built here")
    written = tmp_path / "result.json"
    ended = bench("relay-death", "--calls", "50", "--json", str(written))
    assert ended.returncode == 0, ended.stderr
    result = Result.model_validate_json(written.read_text())
    lost = {
        row.name: next(each.value or 0 for each in row.figures if each.name == "packets_lost") for row in result.rows
    }
    # Without it, clients of the dead relay are deaf until their next check: some hundred packets each.
    assert lost["with flow sync"] * 5 < lost["without flow sync"]


@pytest.mark.timeout(120)
def test_flows_of_clients_that_have_moved_expire_and_leave_no_memory(measurable: None, tmp_path: Path) -> None:
    pytest.importorskip("offhook_datapath", reason="the native module is not built here")
    written = tmp_path / "result.json"
    ended = bench(
        *("relay-soak", "--packets", "60000", "--rate", "20000", "--calls", "20", "--moves", "50", "--idle-s", "0.5"),
        *("--json", str(written)),
    )
    assert ended.returncode == 0, ended.stderr
    result = Result.model_validate_json(written.read_text())
    (row,) = result.rows
    figures = {figure.name: figure.value or 0 for figure in row.figures}
    assert figures["packets_forwarded"] > 0
    # 20 and then 50 a second for 3 s and the warm-up; 20 calls and what half a second makes are held at the end.
    assert figures["five_tuples"] > 150
    assert result.details["checks_verified"] >= figures["five_tuples"] * 0.9
    assert figures["flows_at_end"] < 100
    assert figures["memory_growth"] < 4096
    memory = result.series("memory_held")
    assert memory is not None
    assert all(value and value > 0 for value in memory.values)


def test_more_clients_than_addresses_are_refused() -> None:
    ended = CliRunner().invoke(app, ["bench", "relay-soak", "--moves", "1000", "--rate", "1000"])
    assert ended.exit_code == 2
    assert "client addresses" in ended.stderr


def test_samples_are_told_apart_by_what_is_on_the_stack() -> None:
    softirq = (
        "ffffffff81000000 veth_xmit\nffffffff82000000 handle_softirqs\nffffffff83000000 do_softirq\n7f01 __sendmmsg\n"
    )
    system = "ffffffff84000000 udp_sendmsg\n7f01 __sendmmsg\n"
    user = "7f02 offhook::relay::find\n"
    assert split_of_stacks([user, "", softirq, system, softirq]) == CpuSplit(0.25, 0.25, 0.5, 4)
