"""The check of how a worker stops, which costs it its life."""

import asyncio
import os
import signal

from offhook_proto.worker.v1 import worker_pb2

from offhook_worker.check import sound
from offhook_worker.check.finding import Fault, Finding, Status
from offhook_worker.check.greeting import NOT_SERVING, ask_health
from offhook_worker.check.scene import Scene

DRAIN_S = 5.0
_CONVERSE_S = 1.0


async def draining(scene: Scene) -> list[Finding]:
    """SIGTERM: no new session, open ones go on, and it says so."""
    pid = scene.target.options.pid
    if not pid:
        return [Finding("draining", Status.SKIPPED, "name the worker's process with --pid to see it stop")]
    async with scene.line() as line:
        caller = await scene.opened(line)
        try:
            os.kill(pid, signal.SIGTERM)
        except (ProcessLookupError, PermissionError) as error:
            return [Finding("draining", Status.SKIPPED, f"cannot signal process {pid}: {error.strerror}")]
        if not await line.wait_until(lambda: line.drain is not None, DRAIN_S):
            raise Fault(
                f"no Drain within {DRAIN_S:.0f} s of SIGTERM",
                "at SIGTERM send Drain on every stream, so that transceivers place their calls elsewhere",
            )
        wrong = await _while_it_drains(scene)
        await caller.say(sound.frames(scene.target.input_format, _CONVERSE_S))
        if caller.is_over:
            raise Fault(
                "an open call ended with the drain", "let open sessions go on until Drain.deadline_ms has passed"
            )
        extra = scene.caller(line)
        await extra.open()
        if extra.reject is None or extra.reject.reason != worker_pb2.SessionReject.REASON_DRAINING:
            wrong.append(
                Finding("draining", Status.FAILED, "takes a new session", "reject new sessions with REASON_DRAINING")
            )
        await caller.close()
        try:
            async with asyncio.timeout(DRAIN_S):
                await line.ended.wait()
        except TimeoutError:
            advice = "end when the last session is over, and at the deadline in any case"
            wrong.append(Finding("draining", Status.FAILED, "still there with no call left", advice))
    return wrong or [Finding("draining", Status.OK, "said so, took no new call, served the open one to its end, left")]


async def _while_it_drains(scene: Scene) -> list[Finding]:
    status = await ask_health(scene.target.endpoint, b"")
    if status in (None, NOT_SERVING):
        return []
    return [Finding("draining", Status.WARNING, "health still says SERVING", "withdraw the health service first")]
