"""The order of the checks, and what becomes of one that fails."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator

from offhook_worker.check import abilities, answers, greeting, sessions
from offhook_worker.check.draining import draining
from offhook_worker.check.finding import Fault, Finding, Gone, Status
from offhook_worker.check.rules import ADVICE, Breach, Rule
from offhook_worker.check.scene import Scene
from offhook_worker.check.target import CheckOptions

Check = Callable[[Scene], Awaitable[list[Finding]]]

CHECKS: tuple[tuple[str, Check], ...] = (
    ("revisions", greeting.revisions),
    ("health", greeting.health),
    ("reflection", greeting.reflection),
    ("opening", sessions.opening),
    ("refusals", sessions.refusals),
    ("formats", sessions.formats),
    ("hearing", answers.hearing),
    ("answer", answers.answering),
    ("push to talk", abilities.push_to_talk),
    ("flow control", answers.flow_control),
    ("interruption", answers.interruption),
    ("written answers", abilities.written_answers),
    ("functions", abilities.functions),
    ("transcription", abilities.transcription),
    ("images", abilities.images),
    ("taking over", abilities.history),
    ("bad input", sessions.bad_input),
    ("two transceivers", greeting.two_streams),
    ("closing", sessions.closing),
    ("many sessions", sessions.many),
    ("seats", sessions.seats),
    ("lost transceiver", greeting.lost_stream),
    ("draining", draining),
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

    try:
        target, first = await greeting.meet(address, options or CheckOptions())
    except Fault as fault:
        add([Finding("hello", Status.FAILED, fault.found, fault.advice)])
        return found
    add(first)
    scene = Scene(target)
    for name, check in CHECKS:
        try:
            add(await _guarded(name, check, scene))
        except Gone as gone:
            add([Finding(name, Status.FAILED, f"the worker is gone: {gone.found}", "read its log for why it ended")])
            break
    add([*greeting.liveness(scene), *_judge(scene)])
    return found


async def _guarded(name: str, check: Check, scene: Scene) -> list[Finding]:
    try:
        async with asyncio.timeout(LONGEST_S):
            return await check(scene)
    except Gone:
        raise
    except Fault as fault:
        return [Finding(name, Status.FAILED, fault.found, fault.advice)]
    except TimeoutError:
        return [Finding(name, Status.FAILED, f"not over after {LONGEST_S:.0f} s", "look for what the worker waits for")]


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
