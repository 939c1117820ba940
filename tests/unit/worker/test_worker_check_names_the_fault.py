"""`offhook worker check` passes on workers that conform, and names what is wrong with those that do not."""

import asyncio
import json
import sys
from pathlib import Path

import pytest
from offhook_worker import ServeOptions, TlsFiles
from offhook_worker.check import CheckOptions, Finding, Status, check_worker
from offhook_worker.echo import EchoWorker

from offhook.cli.main import app
from tests.support.agent_models import need_models
from tests.support.authority import Authority
from tests.support.broken_workers import Fault
from tests.support.worker_scene import broken_process, serving, worker_process

BRIEF = CheckOptions(answer_s=4.0, settle_s=4.0, sessions=4)

NAMED = {
    Fault.SLOW: "slower than real time",
    Fault.MUTE: "no ResponseDone within",
    Fault.FLOOD: "audio beyond the credit",
    Fault.GARBAGE: "duration_us",
    Fault.VANISH: "the worker ended the stream",
    Fault.FREEZE: "count as dead",
    Fault.DEAF: "no input credit",
    Fault.AFTERTALK: "audio after ResponseDone",
    Fault.STUBBORN: "came after Interruption",
    Fault.GREEDY: "an unknown model was accepted",
}
"""Words of what is said of each fault."""


def of_status(findings: list[Finding], status: Status) -> dict[str, str]:
    return {each.check: each.found for each in findings if each.status is status}


async def check_reference(worker: str, directory: Path) -> dict[str, str]:
    """What passed; nothing failed."""
    async with worker_process(directory, worker) as running:
        findings = await check_worker(running.address, CheckOptions(sessions=8, pid=running.process.pid))
    assert not of_status(findings, Status.FAILED), worker
    return of_status(findings, Status.OK)


async def test_reference_workers_conform_and_show_all_they_can(tmp_path: Path) -> None:
    need_models()
    for name in ("pcm-echo", "agent"):
        (tmp_path / name).mkdir()
    echo, agent = await asyncio.gather(
        check_reference("pcm-echo", tmp_path / "pcm-echo"), check_reference("agent", tmp_path / "agent")
    )
    assert {
        "hello",
        "health",
        "reflection",
        "answer",
        "flow control",
        "bad input",
        "seats",
        "draining",
    } <= echo.keys()
    assert {"interruption", "transcription", "written answers", "taking over", "draining"} <= agent.keys()
    assert "get_weather" in agent["functions"]


async def test_the_fault_of_every_broken_worker_is_named_and_a_sound_one_has_none(tmp_path: Path) -> None:
    async def failures(fault: Fault) -> list[Finding]:
        async with broken_process(tmp_path, fault) as running:
            findings = await check_worker(running.address, BRIEF)
        return [each for each in findings if each.status is Status.FAILED]

    sound, *broken = await asyncio.gather(*map(failures, (Fault.NONE, *NAMED)))
    assert not sound
    for words, failed in zip(NAMED.values(), broken, strict=True):
        assert any(words in each.found for each in failed), (words, failed)
        assert all(each.advice for each in failed)
    # What needs an answer is not waited for where there is none.
    assert [each.check for each in broken[[*NAMED].index(Fault.MUTE)]] == ["answer"]


async def run(*command: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    printed, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, printed.decode()


async def test_the_command_speaks_tls_prints_json_and_exits_with_what_it_found(tmp_path: Path) -> None:
    authority = Authority()
    certificate, key = authority.issue("worker.test", tmp_path)
    own_certificate, own_key = authority.issue("transceiver.test", tmp_path)
    ca = authority.write(tmp_path / "ca.crt")
    async with serving(EchoWorker(), ServeOptions(tls=TlsFiles(certificate, key, ca))) as (_, address):
        check = (sys.executable, "-m", "offhook", "worker", "check", address, "--json")
        tls = ("--ca", str(ca), "--server-name", "worker.test", "--cert", str(own_certificate), "--key", str(own_key))
        (
            (code, printed),
            (code_of_unknown, printed_of_unknown),
            (code_of_stranger, printed_of_stranger),
        ) = await asyncio.gather(
            run(*check, *tls, "--sessions", "4"), run(*check, *tls, "--model", "no-such-model"), run(*check)
        )
    assert (code, json.loads(printed)["failed"]) == (0, False), printed
    assert code_of_unknown == 1
    (finding,) = json.loads(printed_of_unknown)["findings"]
    assert (finding["check"], finding["status"]) == ("hello", "failed")
    assert "no-such-model" in finding["found"]
    assert code_of_stranger == 1
    (finding,) = json.loads(printed_of_stranger)["findings"]
    assert finding["check"] == "hello"
    assert "--ca" in finding["advice"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--cert", "x.crt", "--key", "x.key"), "needs --ca"),
        (("--ca", "ca.crt", "--cert", "x.crt"), "go together"),
        (("--ca", "/nonexistent/ca.crt"), "cannot be read"),
    ],
)
def test_half_of_tls_is_refused_with_one_line(
    options: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        app(["worker", "check", "127.0.0.1:9", *options])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
