"""Starts processes, notices when one dies, starts it again, and stops them all."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from offhook.up.layout import ProcessPlan

FIRST_RESTART_S = 0.2
LONGEST_RESTART_S = 5.0
# A process that ran this long has recovered: the next restart is quick again.
STABLE_AFTER_S = 10.0
READY_WITHIN_S = 30.0
# What a process prints in one line beyond this is cut, so that a broken one cannot fill memory.
LONGEST_LINE_BYTES = 65_536


class StartFailed(Exception):
    """A process ended before it was ready; the message names it."""


@dataclass
class Running:
    """One supervised process."""

    plan: ProcessPlan
    process: asyncio.subprocess.Process
    started_at: float
    ready: dict[str, Any] = field(default_factory=dict)

    @property
    def entry(self) -> dict[str, Any]:
        """This process as the ready file lists it."""
        return {
            "role": self.plan.role,
            "id": self.plan.id,
            "pid": self.process.pid,
            "metrics": self.ready.get("metrics"),
            **({"http": self.ready["http"]} if "http" in self.ready else {}),
        }


class Supervisor:
    """Runs a list of processes.

    Args:
        plans: what to run, in starting order.
        print_line: called with a process id and each line it prints.
        changed: called after a restarted process is ready.
    """

    def __init__(
        self,
        plans: Sequence[ProcessPlan],
        *,
        print_line: Callable[[str, str], None],
        changed: Callable[[], None],
    ) -> None:
        self._plans = plans
        self._print_line = print_line
        self._changed = changed
        self._running: dict[str, Running] = {}
        self._keepers: set[asyncio.Task[None]] = set()
        self._printers: set[asyncio.Task[None]] = set()
        self._stopping = False

    def entries(self) -> list[dict[str, Any]]:
        """The live processes, in starting order."""
        return [self._running[plan.id].entry for plan in self._plans if plan.id in self._running]

    async def start(self) -> None:
        """Starts everything, role by role, and returns once all are ready.

        Raises:
            StartFailed: one of them ended, or was not ready in time. The rest are still running; call `stop`.
        """
        for role in dict.fromkeys(plan.role for plan in self._plans):
            await asyncio.gather(*(self._start_first(plan) for plan in self._plans if plan.role == role))

    async def _start_first(self, plan: ProcessPlan) -> None:
        running = await self._spawn(plan)
        if not await self._wait_ready(running):
            raise StartFailed(f"{plan.id} did not start; its last lines above say why")
        self._watch(running)

    def _watch(self, running: Running) -> None:
        if self._stopping:
            return
        keeper = asyncio.ensure_future(self._keep_alive(running))
        self._keepers.add(keeper)
        keeper.add_done_callback(self._keepers.discard)

    async def _spawn(self, plan: ProcessPlan) -> Running:
        plan.ready_file.unlink(missing_ok=True)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "offhook",
            plan.role,
            "--config",
            str(plan.config),
            "--ready-file",
            str(plan.ready_file),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=LONGEST_LINE_BYTES,
            # Ctrl-C goes to the supervisor alone, which then stops the processes in order.
            start_new_session=True,
            env={**os.environ, "OFFHOOK_PARENT_PID": str(os.getpid())},
        )
        running = Running(plan, process, time.monotonic())
        self._running[plan.id] = running
        printer = asyncio.ensure_future(self._print_output(running))
        self._printers.add(printer)
        printer.add_done_callback(self._printers.discard)
        return running

    async def _print_output(self, running: Running) -> None:
        assert running.process.stdout is not None
        while True:
            try:
                line = await running.process.stdout.readline()
            except ValueError:
                continue  # longer than the limit: that part of the line is discarded
            if not line:
                return
            self._print_line(running.plan.id, line.decode(errors="replace").rstrip())

    async def _wait_ready(self, running: Running) -> bool:
        ended = asyncio.ensure_future(running.process.wait())
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                while not ended.done():
                    if running.plan.ready_file.exists():
                        running.ready = json.loads(running.plan.ready_file.read_text())
                        return True
                    await asyncio.wait([ended], timeout=0.02)
        except TimeoutError:
            return False
        finally:
            ended.cancel()
        return False

    async def _keep_alive(self, running: Running) -> None:
        delay_s = FIRST_RESTART_S
        while True:
            code = await running.process.wait()
            self._running.pop(running.plan.id, None)
            if time.monotonic() - running.started_at > STABLE_AFTER_S:
                delay_s = FIRST_RESTART_S
            self._print_line(running.plan.id, f"{_describe_exit(code)}; restarting in {delay_s:.1f} s")
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, LONGEST_RESTART_S)
            running = await self._spawn(running.plan)
            if await self._wait_ready(running):
                self._print_line(running.plan.id, f"restarted, pid {running.process.pid}")
                self._changed()
            elif running.process.returncode is None:
                self._print_line(running.plan.id, f"not ready within {READY_WITHIN_S:.0f} s")
                _signal(running.process, signal.SIGKILL)

    async def stop(self, *, grace_s: float = 5.0) -> None:
        """Asks every process to end, transceivers first so that callers get an orderly end through the relays."""
        self._stopping = True
        # First, lest one of them start again what has just been stopped.
        await _cancel(self._keepers)
        for role in ("transceiver", "relay", "worker"):
            doomed = [running.process for running in self._running.values() if running.plan.role == role]
            for process in doomed:
                _signal(process, signal.SIGTERM)
            waits = [asyncio.ensure_future(process.wait()) for process in doomed]
            if waits:
                await asyncio.wait(waits, timeout=grace_s)
            for process in doomed:
                _signal(process, signal.SIGKILL)
            await asyncio.gather(*waits)
        await _cancel(self._printers)


async def _cancel(tasks: Collection[asyncio.Task[None]]) -> None:
    cancelled = list(tasks)
    for task in cancelled:
        task.cancel()
    await asyncio.gather(*cancelled, return_exceptions=True)


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    if process.returncode is None:
        try:
            process.send_signal(number)
        except ProcessLookupError:
            return  # it ended in this moment


def _describe_exit(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"
