"""`offhook worker check` passes on workers that conform, and names what is wrong with those that do not."""

import asyncio
import json
import sys
from pathlib import Path

from offhook_worker.check import CheckOptions, Finding, Status, check_worker

from tests.support.agent_models import need_models
from tests.support.broken_workers import Fault
from tests.support.worker_scene import broken_process, worker_process

BRIEF = CheckOptions(answer_s=4.0, sessions=4)

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


async def test_the_pcm_echo_conforms(tmp_path: Path) -> None:
    passed = await check_reference("pcm-echo", tmp_path)
    assert {
        "hello",
        "health",
        "reflection",
        "answer",
        "flow control",
        "bad input",
        "seats",
        "draining",
    } <= passed.keys()


async def test_the_agent_conforms_and_shows_all_it_can(tmp_path: Path) -> None:
    need_models()
    passed = await check_reference("agent", tmp_path)
    assert {"interruption", "transcription", "written answers", "taking over", "draining"} <= passed.keys()
    assert "get_weather" in passed["functions"]


async def test_a_worker_by_hand_that_keeps_to_the_protocol_conforms(tmp_path: Path) -> None:
    async with broken_process(tmp_path, Fault.NONE) as running:
        assert not of_status(await check_worker(running.address, BRIEF), Status.FAILED)


async def test_the_fault_of_every_broken_worker_is_named(tmp_path: Path) -> None:
    async def failures(fault: Fault) -> list[Finding]:
        async with broken_process(tmp_path, fault) as running:
            findings = await check_worker(running.address, BRIEF)
        return [each for each in findings if each.status is Status.FAILED]

    for words, failed in zip(NAMED.values(), await asyncio.gather(*map(failures, NAMED)), strict=True):
        assert any(words in each.found for each in failed), (words, failed)
        assert all(each.advice for each in failed)


async def run(*command: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    printed, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, printed.decode()


async def test_the_command_prints_json_and_exits_with_what_it_found(tmp_path: Path) -> None:
    async with worker_process(tmp_path, "echo") as running:
        check = (sys.executable, "-m", "offhook", "worker", "check", running.address, "--json")
        (code, printed), (code_of_unknown, printed_of_unknown) = await asyncio.gather(
            run(*check, "--sessions", "4"), run(*check, "--model", "no-such-model")
        )
    assert (code, json.loads(printed)["failed"]) == (0, False), printed
    assert code_of_unknown == 1
    (finding,) = json.loads(printed_of_unknown)["findings"]
    assert (finding["check"], finding["status"]) == ("hello", "failed")
    assert "no-such-model" in finding["found"]
