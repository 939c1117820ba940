"""`offhook bench calls` from the outside: real callers against a WHIP server on str0m, and how it refuses."""

import asyncio
import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from bench.calls.faults import TimedFault
from bench.calls.outcome import result as result_of
from bench.calls.plan import Plan
from bench.calls.run import Run
from bench.calls.target import target_of
from bench.client import RELEASE
from bench.report.model import Result
from tests.support.authority import Authority
from tests.support.bench_command import bench, command, missing_callers
from tests.support.tls_front import tls_front

UNREACHABLE = "http://127.0.0.1:9/whip"


@pytest.fixture(scope="module")
def callers(require: Callable[[str | None], None]) -> None:
    """The load client is there."""
    require(missing_callers())


@contextmanager
def echo_server() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A WHIP server that sends every packet back."""
    with subprocess.Popen([str(RELEASE / "str0m-echo")], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["url"], process
        finally:
            process.kill()


@contextmanager
def server_that_says(status: int, body: str) -> Iterator[str]:
    """An HTTP server with one answer to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/whip"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.timeout(500)
def test_calls_of_several_processes_are_one_result(callers: None, tmp_path: Path) -> None:
    report = tmp_path / "result.json"
    with echo_server() as (url, process):
        ended = bench(
            "calls",
            *("--target", url, "--calls", "6", "--rate", "20", "--duration", "2", "--processes", "2"),
            *("--pid", f"echo={process.pid}", "--slo", "failed_share<=0%", "--slo", "setup.p99<=1us"),
            *("--accept-invalid", "--json", str(report)),
        )
    # The second bound is one that nobody keeps.
    assert ended.returncode == 1, ended.stderr
    result = Result.model_validate_json(report.read_text())
    assert result.calls is not None
    assert (result.calls.planned, result.calls.up, result.calls.most_at_once, result.calls.failed) == (6, 6, 6, 0)
    assert [slo.met for slo in result.verdict.slos] == [True, False]
    assert result.packets is not None
    # 6 calls, 50 packets a second, 2 s.
    assert result.packets.sent == 600
    assert result.packets.received + result.packets.lost == 600
    round_trip, setup = result.distribution("round_trip"), result.distribution("setup")
    assert round_trip is not None
    assert setup is not None
    assert (round_trip.count, setup.count) == (result.packets.received, 6)
    sent = result.series("packets_sent")
    assert sent is not None
    assert sum(value or 0 for value in sent.values) >= 600
    (watched,) = result.processes
    assert (watched.name, watched.ended) == ("echo", False)
    assert (watched.cpu_s or 0) > 0
    assert result.generator is not None
    assert result.generator.processes == 2
    heard = result.distribution("mouth_to_ear")
    assert heard is not None
    # A frame, the jitter buffer and the codec, at least; two seconds hold a mark of each caller.
    assert heard.count >= 1
    assert (heard.p50 or 0) > 80
    assert result.distribution("first_audio") is None


@pytest.mark.timeout(500)
async def test_callers_may_share_an_address_and_have_a_port_each(callers: None) -> None:
    with echo_server() as (url, _):
        plan = Plan(
            target=target_of(url, None),
            key=None,
            profile="echo",
            calls=4,
            rate=20,
            duration_s=1,
            processes=1,
            warm_up=1,
            first_address="127.0.0.1",
            own_ports=True,
        )
        recorded = await Run(plan, sources=(), faults=()).play(lambda _: None, asyncio.Event())
    assert recorded.tally.count("calls", "up") == 4
    assert recorded.tally.count("packets", "sent") == 200
    assert recorded.tally.count("packets", "echoed") == 200


@pytest.mark.timeout(500)
async def test_what_callers_feel_of_a_fault_is_in_the_result(callers: None) -> None:
    with echo_server() as (url, server):

        async def stop() -> str:
            server.send_signal(signal.SIGSTOP)
            return "the server stands still"

        async def go_on() -> None:
            server.send_signal(signal.SIGCONT)

        plan = Plan(
            target=target_of(url, None),
            key=None,
            profile="echo",
            calls=4,
            rate=20,
            duration_s=4,
            processes=2,
            warm_up=1,
            first_address="127.64.0.1",
        )
        fault = TimedFault("stop@2.5s", 2.5, stop, until_s=3.3, undo=go_on)
        recorded = await Run(plan, sources=(), faults=[fault]).play(lambda _: None, asyncio.Event())
    found = result_of(recorded, [], {})
    (felt,) = found.faults
    assert (felt.name, felt.what, felt.error) == ("stop@2.5s", "the server stands still", None)
    assert (felt.calls_playing, felt.calls_lost, felt.calls_touched) == (4, 0, 4)
    assert felt.silence is not None
    assert felt.silence.count == 4
    assert (felt.silence.p50 or 0) >= 700
    silent = found.series("silent_calls")
    assert silent is not None
    assert max(value or 0 for value in silent.values) == 4


@pytest.mark.timeout(500)
def test_a_setup_storm_comes_and_goes(callers: None, tmp_path: Path) -> None:
    report = tmp_path / "result.json"
    with echo_server() as (url, _):
        ended = bench(
            "calls",
            *("--target", url, "--profile", "setup-storm", "--calls", "5", "--rate", "10", "--duration", "2"),
            *("--accept-invalid", "--json", str(report)),
        )
    assert ended.returncode == 0, ended.stderr
    result = Result.model_validate_json(report.read_text())
    assert result.calls is not None
    assert (result.calls.planned, result.calls.up) == (20, 20)
    # Each stays for half a second after it is up, and a second more until its last packet is back.
    assert result.calls.most_at_once < 20


@pytest.mark.timeout(500)
def test_a_target_that_dies_in_the_middle_is_told_and_reported(callers: None, tmp_path: Path) -> None:
    report = tmp_path / "result.json"
    arguments = ("--calls", "3", "--duration", "60", "--dead-after", "2", "--json", str(report))
    with (
        echo_server() as (url, server),
        subprocess.Popen(command("calls", "--target", url, *arguments), stderr=subprocess.PIPE, text=True) as running,
    ):
        assert running.stderr is not None
        assert "calls are up" in running.stderr.readline()
        server.kill()
        said = running.stderr.read()
        assert running.wait(timeout=60) == 5
    assert "Traceback" not in said
    result = Result.model_validate_json(report.read_text())
    assert result.details["target_died_at_s"] >= 1
    assert result.packets is not None
    assert result.packets.lost > 0


@pytest.mark.timeout(500)
def test_ctrl_c_reports_what_there_is(callers: None, tmp_path: Path) -> None:
    report = tmp_path / "result.json"
    with (
        echo_server() as (url, _),
        subprocess.Popen(
            command("calls", "--target", url, "--calls", "3", "--duration", "60", "--json", str(report)),
            stderr=subprocess.PIPE,
            text=True,
        ) as running,
    ):
        assert running.stderr is not None
        assert "calls are up" in running.stderr.readline()
        running.send_signal(signal.SIGINT)
        said = running.stderr.read()
        assert running.wait(timeout=60) == 130
    assert "Traceback" not in said
    result = Result.model_validate_json(report.read_text())
    assert result.run.interrupted
    assert result.run.duration_s < 30
    assert result.packets is not None
    assert result.packets.received > 0


@pytest.mark.parametrize(
    ("status", "body", "code", "told"),
    [
        (401, "who are you?", 4, "does not take the key"),
        (503, "full", 7, "has no room"),
        (404, "no such path", 7, "refuses the call"),
        (201, "v=nonsense", 7, "no SDP answer"),
    ],
)
def test_a_target_that_takes_no_call_ends_the_run_before_it_begins(
    callers: None, status: int, body: str, code: int, told: str
) -> None:
    with server_that_says(status, body) as url:
        ended = bench("calls", "--target", url, "--calls", "50", "--duration", "60")
    assert ended.returncode == code, ended.stderr
    assert told in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.timeout(500)
def test_a_target_behind_tls_is_called_if_its_certificate_is_known(callers: None, tmp_path: Path) -> None:
    with echo_server() as (url, _), tls_front(url.removesuffix("/whip"), tmp_path, authority=Authority()) as front:
        target = ("--target", f"{front.https}/whip", "--duration", "0.5", "--accept-invalid")
        known = bench("calls", *target, "--ca", str(front.certificate))
        unknown = bench("calls", *target)
    assert known.returncode == 0, known.stderr
    assert unknown.returncode == 7
    assert "certificate" in unknown.stderr
    assert len(unknown.stderr.splitlines()) == 1


@pytest.mark.parametrize("arguments", [(UNREACHABLE,), ("ws://127.0.0.1:9", "--profile", "conversation")])
def test_nobody_at_the_target_has_an_exit_code_of_its_own(callers: None, arguments: tuple[str, ...]) -> None:
    ended = bench("calls", "--target", *arguments)
    assert ended.returncode == 3
    assert "nobody listens" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (("--target", "ftp://host"), "--target is a URL"),
        (("--target", "http://127.0.0.1:8080/somewhere"), "--kind says"),
        (("--target", UNREACHABLE, "--kind", "sip"), "--kind knows"),
        (("--target", "https://127.0.0.1:9/whip", "--ca", "/nowhere.pem"), "--ca names one"),
        (("--target", "ws://127.0.0.1:9", "--kind", "whip"), "begins with http"),
        (("--target", "ws://127.0.0.1:9", "--profile", "echo"), "hear no echo"),
        (("--target", UNREACHABLE, "--profile", "shouting"), "--profile knows"),
        (("--target", UNREACHABLE, "--slo", "setup is quick"), "--slo"),
        (("--target", UNREACHABLE, "--pid", "relay"), "NAME=PID"),
        (("--target", UNREACHABLE, "--scrape", "relay"), "--scrape"),
        (("--target", UNREACHABLE, "--json", "/nowhere/at/all.json"), "cannot be written"),
        (("--target", UNREACHABLE, "--key-file", "/nowhere"), "no key can be read"),
        (("--target", UNREACHABLE, "--find-capacity", "--fault", "loss=5%"), "give no --fault"),
    ],
)
def test_impossible_options_end_with_one_line_of_advice(arguments: tuple[str, ...], advice: str) -> None:
    ended = bench("calls", *arguments)
    assert ended.returncode == 2
    assert advice in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_help_names_every_exit_code() -> None:
    told = subprocess.run(
        command("calls", "--help"), capture_output=True, text=True, check=True, env={**os.environ, "COLUMNS": "200"}
    ).stdout
    for meaning in ("nobody answers at the target", "does not take the key", "stopped answering in the middle"):
        assert meaning in told
