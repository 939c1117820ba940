"""Checks of answers: that there are some, how soon and how fast they come, and that they stop."""

import asyncio

from offhook_proto.worker.v1 import worker_pb2

from offhook_worker.check import sound
from offhook_worker.check.caller import FASTER, Answer, Caller
from offhook_worker.check.finding import Fault, Finding, Status
from offhook_worker.check.scene import Scene

LOW_CREDIT_MS = 200
"""The least that a transceiver gives."""
GRACE_S = 0.5
"""How long audio may still come of a response that was interrupted: it was under way."""
QUIET_S = 1.0
_COMPLETED = worker_pb2.ResponseDone.STATUS_COMPLETED
_NEVER_RESUMED = (
    "no more audio within 3 s of Credit",
    "wake the code that waits for credit when SessionInput.credit comes",
)


async def hearing(scene: Scene) -> list[Finding]:
    """The model takes what is said for as long as it is said."""
    async with scene.line() as line:
        caller = await scene.opened(line)
        assert caller.accept is not None
        longer_s = caller.accept.input_credit_ms / 1000 + 1.0
        await caller.say(sound.frames(scene.target.input_format, min(longer_s, 10.0)), paced=False)
        await caller.close()
    return [Finding("hearing", Status.OK, f"takes more than {longer_s - 1:.1f} s of audio; credit comes back")]


async def answering(scene: Scene) -> list[Finding]:
    """A request is answered: how soon, how fast, and done."""
    async with scene.line() as line:
        caller = await scene.opened(line)
        await scene.prompt(caller)
        answer = await _answer(scene, caller)
        if not answer.audio_us and not answer.text and not answer.calls:
            return await _echoing(scene, caller)
        again = await _second(scene, caller)
        await caller.close()
    return [*_read_answer(answer), *again, _pace("pace", answer.real_time_factor)]


async def flow_control(scene: Scene) -> list[Finding]:
    """Audio waits for credit, and comes when there is some."""
    if scene.is_echo:
        return await _echo_waits(scene)
    async with scene.line() as line:
        caller = await scene.opened(line, credit_ms=LOW_CREDIT_MS)
        await scene.prompt(caller)
        answer = await caller.ask()
        await line.wait_until(lambda: answer.done is not None or answer.audio_us > 0, scene.target.options.answer_s)
        await asyncio.sleep(QUIET_S)
        if answer.done is not None or not answer.audio_us:
            await caller.close()
            return [Finding("flow control", Status.SKIPPED, f"no answer longer than {LOW_CREDIT_MS} ms")]
        held_us = answer.audio_us
        await caller.grant(1000)
        resumed = await line.wait_until(lambda: answer.audio_us > held_us or answer.done is not None, 3.0)
        await caller.close()
    if not resumed:
        raise Fault(*_NEVER_RESUMED)
    return [_waited(held_us)]


async def _echo_waits(scene: Scene) -> list[Finding]:
    async with scene.line() as line:
        caller = await scene.opened(line, credit_ms=LOW_CREDIT_MS)
        await caller.say(sound.frames(scene.target.input_format, 0.8), paced=False)
        await asyncio.sleep(QUIET_S)
        held = len(caller.echoes)
        await caller.grant(1000)
        resumed = await line.wait_until(lambda: len(caller.echoes) > held, 3.0)
        await caller.close()
    if not resumed:
        raise Fault(*_NEVER_RESUMED)
    return [_waited(sum(duration_us for _, duration_us in caller.echoes[:held]))]


def _waited(held_us: int) -> Finding:
    # More than the credit allows is a breach like any other, and reported with the rules.
    return Finding("flow control", Status.OK, f"waited at {held_us // 1000} ms of audio, went on with credit")


async def interruption(scene: Scene) -> list[Finding]:
    """An answer that is interrupted stops, and the next one is given."""
    if scene.is_echo:
        return [Finding("interruption", Status.SKIPPED, "an echo gives no answer that could be interrupted")]
    async with scene.line() as line:
        caller = await scene.opened(line, credit_ms=LOW_CREDIT_MS)
        await scene.prompt(caller)
        answer = await caller.ask()
        await line.wait_until(lambda: answer.done is not None or answer.audio_us > 0, scene.target.options.answer_s)
        interrupted_at = asyncio.get_running_loop().time()
        was_under_way, heard_us = answer.done is None, answer.audio_us
        await caller.interrupt(answer, played_us=100_000)
        await caller.grant(60_000)
        await asyncio.sleep(GRACE_S + QUIET_S)
        late_ms = [(at - interrupted_at) * 1000 for at in answer.audio_at if at > interrupted_at]
        await scene.prompt(caller)
        following = await _answer(scene, caller)
        await caller.close()
    late_audio_ms = (answer.audio_us - heard_us) // 1000
    if late_ms and (late_ms[-1] > GRACE_S * 1000 or late_audio_ms > LOW_CREDIT_MS):
        raise Fault(
            f"{late_audio_ms} ms of audio of the response came after Interruption, the last {late_ms[-1]:.0f} ms after",
            "cancel the generation at Interruption; nobody hears what it still makes, and others wait for the compute",
        )
    if following.done is None or following.done.status != _COMPLETED:
        raise Fault(
            "the answer after an interruption failed", "leave the session ready for the next turn when one is cut off"
        )
    stopped = f"silent {late_ms[-1]:.0f} ms after it" if late_ms else "silent at once"
    seen = stopped if was_under_way else "the answer was complete before it"
    return [Finding("interruption", Status.OK, f"{seen}; the next answer came")]


async def _answer(scene: Scene, caller: Caller) -> Answer:
    return await caller.complete(await caller.ask(), scene.target.options.answer_s)


async def _second(scene: Scene, caller: Caller) -> list[Finding]:
    await scene.prompt(caller)
    second = await _answer(scene, caller)
    if second.done is not None and second.done.status == _COMPLETED:
        return []
    return [Finding("answer", Status.FAILED, "the second answer of a call failed", "keep the session for later turns")]


def _read_answer(answer: Answer) -> list[Finding]:
    assert answer.done is not None
    status = worker_pb2.ResponseDone.Status.Name(answer.done.status).removeprefix("STATUS_")
    if answer.done.status != _COMPLETED:
        advice = "read the worker's log: an ordinary question should be answered"
        return [Finding("answer", Status.FAILED, f"ended {status}: {answer.done.error.message!r}", advice)]
    if not answer.audio_us:
        return [Finding("answer", Status.OK, f"{len(answer.text)} characters, {len(answer.calls)} function calls")]
    stages = ", ".join(f"{stage} {ms:.0f} ms" for stage, ms in sorted(answer.done.stage_latency_ms.items()))
    seen = f"first audio after {answer.first_audio_ms:.0f} ms, {answer.audio_us / 1e6:.1f} s of it"
    if not stages:
        advice = "fill ResponseDone.stage_latency_ms, so that the fabric's metrics tell where callers wait"
        return [Finding("answer", Status.WARNING, f"{seen}; no stage latencies", advice)]
    return [Finding("answer", Status.OK, f"{seen} ({stages})")]


def _pace(check: str, real_time_factor: float | None) -> Finding:
    if real_time_factor is None:
        return Finding(check, Status.SKIPPED, "too little audio to tell")
    seen = f"{real_time_factor:.2f} s for a second of audio"
    if real_time_factor > 1.0:
        return Finding(check, Status.FAILED, f"slower than real time: {seen}", FASTER)
    if real_time_factor > 0.7:
        return Finding(check, Status.WARNING, seen, FASTER)
    return Finding(check, Status.OK, seen)


async def _echoing(scene: Scene, caller: Caller) -> list[Finding]:
    """A model whose audio belongs to no response: does it keep up with the caller?"""
    loop = asyncio.get_running_loop()
    caller.echoes.clear()
    began_at = loop.time()
    await caller.say(sound.frames(scene.target.input_format, 2.0))
    said_s = loop.time() - began_at
    await asyncio.sleep(GRACE_S)
    heard_us = sum(duration_us for _, duration_us in caller.echoes)
    await caller.close()
    if not heard_us:
        advice = "answer what was asked: audio, text or a function call"
        return [Finding("answer", Status.WARNING, "completed with nothing in it", advice)]
    scene.is_echo = True
    seen = f"an echo: {heard_us / 1e6:.1f} s of audio outside any response while 2 s were said"
    if heard_us < 1_500_000:
        return [Finding("pace", Status.FAILED, f"{seen}: slower than real time", FASTER)]
    spoke_s = caller.echoes[-1][0] - caller.echoes[0][0]
    return [Finding("answer", Status.OK, seen), _pace("pace", max(0.0, spoke_s - said_s) / (heard_us / 1e6))]
