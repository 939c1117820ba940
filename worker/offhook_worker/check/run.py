"""The order of the checks, and what becomes of one that fails."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import NamedTuple

from offhook_worker.check import abilities, answers, greeting, sessions
from offhook_worker.check.draining import draining
from offhook_worker.check.endpoint import Endpoint
from offhook_worker.check.finding import Fault, Finding, Gone, Status
from offhook_worker.check.rules import ADVICE, Breach, Rule
from offhook_worker.check.scene import Scene
from offhook_worker.check.target import CheckOptions

Check = Callable[[Scene], Awaitable[list[Finding]]]


class Step(NamedTuple):
    """One check in its place.

    Attributes:
        needs: name of the check without whose success this one would only wait in vain.
    """

    name: str
    check: Check
    needs: str = ""


STEPS = (
    Step("revisions", greeting.revisions),
    Step("health", greeting.health),
    Step("reflection", greeting.reflection),
    Step("opening", sessions.opening),
    Step("refusals", sessions.refusals),
    Step("formats", sessions.formats),
    Step("hearing", answers.hearing),
    Step("answer", answers.answering),
    Step("push to talk", abilities.push_to_talk, needs="answer"),
    Step("flow control", answers.flow_control, needs="answer"),
    Step("interruption", answers.interruption, needs="answer"),
    Step("written answers", abilities.written_answers, needs="answer"),
    Step("functions", abilities.functions, needs="answer"),
    Step("transcription", abilities.transcription, needs="hearing"),
    Step("images", abilities.images, needs="answer"),
    Step("taking over", abilities.history, needs="answer"),
    Step("bad input", sessions.bad_input),
    Step("two transceivers", greeting.two_streams),
    Step("closing", sessions.closing, needs="answer"),
    Step("many sessions", sessions.many, needs="hearing"),
    Step("seats", sessions.seats),
    Step("lost transceiver", greeting.lost_stream),
    Step("draining", draining),
)
LONGEST_S = 120.0
"""Of one check, whatever it waits for."""


async def check_worker(
    address: str, options: CheckOptions | None = None, tell: Callable[[Finding], None] = lambda _finding: None
) -> list[Finding]:
    """Calls the worker at `address` as a transceiver does, and returns all findings.

    Args:
        address: as gRPC takes it: "127.0.0.1:9000", "unix:/path/socket".
        tell: told each finding as soon as there is one.
    """
    found: list[Finding] = []

    def add(findings: list[Finding]) -> None:
        for finding in findings:
            found.append(finding)
            tell(finding)

    options = options or CheckOptions()
    try:
        target, first = await greeting.meet(Endpoint(address, options.tls), options)
    except Fault as fault:
        add([Finding("hello", Status.FAILED, fault.found, fault.advice)])
        return found
    add(first)
    scene = Scene(target)
    broken: set[str] = set()
    for step in STEPS:
        if step.needs in broken:
            add([Finding(step.name, Status.SKIPPED, f"nothing to look at while {step.needs!r} fails")])
            continue
        try:
            add(await _in_time(step, scene))
        except Gone as gone:
            add(
                [
                    Finding(
                        step.name, Status.FAILED, f"the worker is gone: {gone.found}", "read its log for why it ended"
                    )
                ]
            )
            break
        except Fault as fault:
            broken.add(step.name)
            add([Finding(step.name, Status.FAILED, fault.found, fault.advice)])
    add([*greeting.liveness(scene), *_judge(scene)])
    return found


async def _in_time(step: Step, scene: Scene) -> list[Finding]:
    try:
        async with asyncio.timeout(LONGEST_S):
            return await step.check(scene)
    except TimeoutError:
        raise Fault(f"not over after {LONGEST_S:.0f} s", "look for what the worker waits for") from None


def _judge(scene: Scene) -> Iterator[Finding]:
    """What came of all sessions, held against the rules."""
    breaches: Counter[Breach] = Counter()
    for caller in scene.callers:
        breaches.update(caller.rules.breaches)
    for rule in Rule:
        broken = {breach.what: times for breach, times in breaches.items() if breach.rule is rule}
        if broken:
            seen = "; ".join(f"{what} ({times} times)" for what, times in broken.items())
            yield Finding(rule, Status.FAILED, seen, ADVICE[rule])
        else:
            yield Finding(rule, Status.OK, f"held in {len(scene.callers)} sessions")
    strays = sum(line.strays for line in scene.lines)
    if strays:
        advice = "send outputs only under the numbers of sessions that SessionInput.open named"
        yield Finding(Rule.HANDSHAKE, Status.FAILED, f"{strays} outputs for sessions that were never opened", advice)
