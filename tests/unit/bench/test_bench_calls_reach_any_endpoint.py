"""`offhook bench calls` from the outside: real callers against a WHIP server on str0m, and how it refuses."""

import asyncio
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from aiohttp import web
from prometheus_client import start_http_server
from typer.testing import CliRunner

from bench.calls.faults import TimedFault
from bench.calls.outcome import result as result_of
from bench.calls.plan import Plan
from bench.calls.run import Run
from bench.calls.target import target_of
from bench.client import RELEASE
from bench.report.model import Result
from offhook.cli.main import app
from tests.support.authority import Authority
from tests.support.bench_command import bench, command, environment, missing_callers, refused
from tests.support.loop_thread import LoopThread
from tests.support.processes import await_end
from tests.support.tls_front import tls_front

UNREACHABLE: Final = "http://127.0.0.1:9/whip"
AT_ONCE: Final = 4
pytestmark = pytest.mark.timeout(300)


class Ended(NamedTuple):
    """How a run ended: its exit code, what it said, and its report if it wrote one."""

    code: int
    said: str
    report: Path

    @property
    def result(self) -> Result:
        """What it wrote."""
        return Result.model_validate_json(self.report.read_text())


Scenario = Callable[[Path], Any]
SCENARIOS: dict[str, Scenario] = {}


def scenario(run: Scenario) -> Scenario:
    """Marks what runs while other scenarios do."""
    SCENARIOS[run.__name__] = run
    return run


@pytest.fixture(scope="module")
def callers(require: Callable[[str | None], None]) -> None:
    """The load client is there."""
    require(missing_callers())


@pytest.fixture(scope="module")
def ended(callers: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, "Future[Any]"]]:
    """What each scenario came to. Some run at once, for each of them mostly waits."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {name: pool.submit(run, tmp_path_factory.mktemp(name)) for name, run in SCENARIOS.items()}


def run_calls(folder: Path, *arguments: str) -> Ended:
    """A run to its end."""
    report = folder / "result.json"
    done = bench("calls", *arguments, "--json", str(report))
    return Ended(done.returncode, done.stderr, report)


@contextmanager
def long_run(folder: Path, url: str, *arguments: str) -> Iterator[tuple["subprocess.Popen[str]", Path]]:
    """A run that would take a minute, once its calls are up."""
    report = folder / "result.json"
    load = ("--calls", "3", "--rate", "20", "--duration", "60", *arguments)
    line = command("calls", "--target", url, *load, "--json", str(report))
    with subprocess.Popen(line, stderr=subprocess.PIPE, text=True, env=environment()) as running:
        assert running.stderr is not None
        assert "calls are up" in running.stderr.readline()
        try:
            yield running, report
        finally:
            running.kill()


def rest(running: "subprocess.Popen[str]", report: Path) -> Ended:
    """How it ends."""
    assert running.stderr is not None
    said = running.stderr.read()
    return Ended(running.wait(timeout=60), said, report)


def children(pid: int) -> list[int]:
    """Processes that a process has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextmanager
def echo_server() -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
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


@contextmanager
def realtime_sockets() -> Iterator[str]:
    """A server that opens every session on a WebSocket, and listens."""

    async def session(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str('{"type": "session.created"}')
        async for _ in socket:
            pass
        return socket

    async def serve() -> tuple[web.AppRunner, int]:
        served = web.Application()
        served.router.add_get("/v1/realtime", session)
        runner = web.AppRunner(served, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner, runner.addresses[0][1]

    with LoopThread() as loop:
        runner, port = loop.run(serve())
        yield f"http://127.0.0.1:{port}"
        loop.run(runner.cleanup())


@scenario
def several_processes(folder: Path) -> Ended:
    server, thread = start_http_server(0, addr="127.0.0.1")
    try:
        with echo_server() as (url, process):
            return run_calls(
                folder,
                *("--target", url, "--calls", "6", "--rate", "20", "--duration", "2", "--processes", "2"),
                *("--pid", f"echo={process.pid}", "--scrape", f"here=http://127.0.0.1:{server.server_port}/metrics"),
                *("--scrape", f"nobody={UNREACHABLE}"),
                *("--slo", "failed_share<=0%", "--slo", "setup.p99<=1us", "--accept-invalid"),
            )
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_calls_of_several_processes_are_one_result(ended: Mapping[str, "Future[Ended]"]) -> None:
    run = ended["several_processes"].result()
    # The second bound is one that nobody keeps.
    assert run.code == 1, run.said
    result = run.result
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
    assert result.generator is not None
    assert result.generator.processes == 2
    assert (result.generator.cores_used or 0) > 0
    assert (result.generator.machine_cores_busy or 0) >= (result.generator.cores_used or 0) * 0.9
    heard = result.distribution("mouth_to_ear")
    assert heard is not None
    # A frame, the jitter buffer and the codec, at least; two seconds hold a mark of each caller.
    assert heard.count >= 1
    assert (heard.p50 or 0) > 80
    assert result.distribution("first_audio") is None


def test_processes_here_and_elsewhere_are_watched(ended: Mapping[str, "Future[Ended]"]) -> None:
    watched = {process.name: process for process in ended["several_processes"].result().result.processes}
    assert watched.keys() == {"echo", "here", "nobody"}
    assert (watched["echo"].cpu_s or 0) > 0
    # This process has only waited.
    assert watched["here"].cpu_s is not None
    for name in ("echo", "here"):
        assert not watched[name].ended
        assert (watched[name].rss_kb_end or 0) > 1000
    # Who does not answer has no figures.
    assert (watched["nobody"].cpu_s, watched["nobody"].rss_kb_end) == (None, None)


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
            duration_s=3,
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


@scenario
def setup_storm(folder: Path) -> Ended:
    with echo_server() as (url, _):
        load = ("--profile", "setup-storm", "--calls", "5", "--rate", "10", "--duration", "2")
        return run_calls(folder, "--target", url, *load, "--accept-invalid")


def test_a_setup_storm_comes_and_goes(ended: Mapping[str, "Future[Ended]"]) -> None:
    run = ended["setup_storm"].result()
    assert run.code == 0, run.said
    calls = run.result.calls
    assert calls is not None
    assert (calls.planned, calls.up) == (20, 20)
    # Each stays for half a second after it is up, and a second more until its last packet is back.
    assert calls.most_at_once < 20


@scenario
def target_dies(folder: Path) -> Ended:
    with echo_server() as (url, server), long_run(folder, url, "--dead-after", "2") as (running, report):
        server.kill()
        return rest(running, report)


def test_a_target_that_dies_in_the_middle_is_told_and_reported(ended: Mapping[str, "Future[Ended]"]) -> None:
    run = ended["target_dies"].result()
    assert run.code == 5, run.said
    assert "the target died" in run.said
    assert "Traceback" not in run.said
    assert run.result.details["target_died_at_s"] >= 1
    assert run.result.packets is not None
    assert run.result.packets.lost > 0


@scenario
def one_ctrl_c(folder: Path) -> Ended:
    with echo_server() as (url, _), long_run(folder, url) as (running, report):
        running.send_signal(signal.SIGINT)
        return rest(running, report)


def test_ctrl_c_reports_what_there_is(ended: Mapping[str, "Future[Ended]"]) -> None:
    run = ended["one_ctrl_c"].result()
    assert run.code == 130, run.said
    assert "Traceback" not in run.said
    assert run.result.run.interrupted
    assert run.result.run.duration_s < 30
    assert run.result.packets is not None
    assert run.result.packets.received > 0


@scenario
def two_ctrl_c(folder: Path) -> tuple[Ended, list[int]]:
    with echo_server() as (url, server), long_run(folder, url) as (running, report):
        # A server that answers no more holds up the end that the first one asks for.
        server.send_signal(signal.SIGSTOP)
        load = children(running.pid)
        deadline = time.monotonic() + 15
        while running.poll() is None and time.monotonic() < deadline:
            running.send_signal(signal.SIGINT)
            time.sleep(0.3)
        return rest(running, report), load


def test_a_second_ctrl_c_ends_all_at_once(ended: Mapping[str, "Future[tuple[Ended, list[int]]]"]) -> None:
    run, load = ended["two_ctrl_c"].result()
    assert run.code == 130, run.said
    assert "Traceback" not in run.said
    assert not run.report.exists()
    assert load
    await_end(load)


@scenario
def load_stands_still(folder: Path) -> Ended:
    with echo_server() as (url, _), long_run(folder, url, "--duration", "3") as (running, report):
        load = children(running.pid)
        for process in load:
            os.kill(process, signal.SIGSTOP)
        time.sleep(1.0)
        for process in load:
            os.kill(process, signal.SIGCONT)
        return rest(running, report)


def test_a_load_that_could_not_keep_its_schedule_makes_a_run_invalid(ended: Mapping[str, "Future[Ended]"]) -> None:
    run = ended["load_stands_still"].result()
    assert run.code == 6, run.said
    verdict = run.result.verdict
    assert not verdict.valid
    assert "late at the 99th percentile" in verdict.invalid_because[0]
    assert verdict.limited_by in {"generator", "machine"}
    assert "NOT VALID" in run.said


REFUSALS: Final = {
    (401, "who are you?"): (4, "does not take the key"),
    (503, "full"): (7, "has no room"),
    (404, "no such path"): (7, "refuses the call"),
    (201, "v=nonsense"): (7, "no SDP answer"),
}


@scenario
def refusals(folder: Path) -> list[Ended]:
    runs = []
    for status, body in REFUSALS:
        with server_that_says(status, body) as url:
            runs.append(run_calls(folder, "--target", url, "--calls", "50", "--duration", "60"))
    return runs


def test_a_target_that_takes_no_call_ends_the_run_before_it_begins(
    ended: Mapping[str, "Future[list[Ended]]"],
) -> None:
    for run, (code, told) in zip(ended["refusals"].result(), REFUSALS.values(), strict=True):
        assert run.code == code, run.said
        assert told in run.said
        assert len(run.said.splitlines()) == 1


@scenario
def behind_tls(folder: Path) -> tuple[Ended, Ended]:
    with echo_server() as (url, _), tls_front(url.removesuffix("/whip"), folder, authority=Authority()) as front:
        target = ("--target", f"{front.https}/whip", "--duration", "0.5", "--accept-invalid")
        return run_calls(folder, *target, "--ca", str(front.certificate)), run_calls(folder, *target)


@scenario
def sockets_behind_tls(folder: Path) -> tuple[Ended, Ended]:
    with realtime_sockets() as url, tls_front(url, folder, authority=Authority()) as front:
        target = ("--target", f"{front.https.replace('https', 'wss')}/v1/realtime?model=any")
        storm = ("--profile", "setup-storm", "--calls", "2", "--rate", "10", "--duration", "1", "--accept-invalid")
        return run_calls(folder, *target, *storm, "--ca", str(front.certificate)), run_calls(folder, *target, *storm)


@pytest.mark.parametrize(("name", "code"), [("behind_tls", 7), ("sockets_behind_tls", 3)])
def test_a_target_behind_tls_is_called_if_its_certificate_is_known(
    ended: Mapping[str, "Future[tuple[Ended, Ended]]"], name: str, code: int
) -> None:
    known, unknown = ended[name].result()
    assert known.code == 0, known.said
    assert unknown.code == code
    assert "certificate" in unknown.said
    assert len(unknown.said.splitlines()) == 1


@scenario
def nobody(folder: Path) -> list[Ended]:
    targets = ((UNREACHABLE,), ("ws://127.0.0.1:9", "--profile", "conversation"))
    return [run_calls(folder, "--target", *target) for target in targets]


def test_nobody_at_the_target_has_an_exit_code_of_its_own(ended: Mapping[str, "Future[list[Ended]]"]) -> None:
    for run in ended["nobody"].result():
        assert run.code == 3
        assert "nobody listens" in run.said
        assert len(run.said.splitlines()) == 1


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
    assert advice in refused("calls", *arguments)


def test_help_names_every_exit_code() -> None:
    told = CliRunner().invoke(app, ["bench", "calls", "--help"], env={"COLUMNS": "200"}).stdout
    for meaning in ("nobody answers at the target", "does not take the key", "stopped answering in the middle"):
        assert meaning in told
