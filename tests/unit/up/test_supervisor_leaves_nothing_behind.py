"""The supervisor against processes that die, hang or never start: whatever happens, stopping leaves none behind."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import yaml

from offhook.up import supervisor as supervisor_module
from offhook.up.layout import ProcessPlan
from offhook.up.supervisor import StartFailed, Supervisor
from tests.support.processes import is_running

DEADLINE_S = 30.0


class Scene:
    """A supervisor of worker processes, and what it printed."""

    def __init__(self, directory: Path, *roles: tuple[str, str]) -> None:
        self.lines: list[str] = []
        self.changes = asyncio.Event()
        self.plans = [self._plan(directory, role, name) for role, name in roles]
        self.supervisor = Supervisor(
            self.plans, print_line=lambda name, line: self.lines.append(f"{name} {line}"), changed=self.changes.set
        )

    @staticmethod
    def _plan(directory: Path, role: str, name: str) -> ProcessPlan:
        config = directory / f"{name}.yaml"
        settings: dict[str, object] = {
            "name": name,
            "worker": "echo",
            "admin_listen": "127.0.0.1:0",
            "listen": f"unix:{directory}/{name}",
        }
        if role == "relay":
            (directory / "keys").write_text(
                '{"configurations": [{"id": "A", "mint": true, "secret": "%s"}]}' % ("A" * 43 + "=")
            )
            settings = {
                "relay_id": name,
                "cluster_id": 1,
                "listen": ["127.0.0.1:0"],
                "upstream_listen": "127.0.0.1:0",
                "transceivers": [f"unix:{directory}/nobody"],
                "admin_listen": "127.0.0.1:0",
                "keys_file": str(directory / "keys"),
                "engine": "python",
                "sync_deadline_s": 0,
                "drain_s": 0,
            }
        config.write_text(yaml.safe_dump(settings))
        return ProcessPlan(role, name, config, directory / f"{name}.json")

    def pid(self, name: str) -> int:
        """Of a process that runs."""
        (pid,) = (entry["pid"] for entry in self.supervisor.entries() if entry["id"] == name)
        assert isinstance(pid, int)
        return pid

    async def until_line(self, text: str) -> None:
        """Returns once a line with `text` was printed."""
        async with asyncio.timeout(DEADLINE_S):
            while not any(text in line for line in self.lines):
                await asyncio.sleep(0.01)


@asynccontextmanager
async def scene(directory: Path, *roles: tuple[str, str]) -> AsyncIterator[Scene]:
    """A scene that is stopped at the end."""
    made = Scene(directory, *roles)
    try:
        yield made
    finally:
        await made.supervisor.stop(grace_s=0.1)


async def test_nothing_is_started_again_while_everything_is_stopped(tmp_path: Path) -> None:
    async with scene(tmp_path, ("worker", "worker-1"), ("relay", "relay-1")) as made:
        await made.supervisor.start()
        frozen = made.pid("worker-1")
        os.kill(frozen, signal.SIGSTOP)  # so that stopping takes longer than the restart is put off
        os.kill(made.pid("relay-1"), signal.SIGKILL)
        await made.until_line("relay-1 killed by SIGKILL")
        await made.supervisor.stop(grace_s=4 * supervisor_module.FIRST_RESTART_S)
        assert not is_running(frozen)
        left = [entry["pid"] for entry in made.supervisor.entries() if is_running(entry["pid"])]
        assert left == []


async def test_a_restarted_process_that_hangs_is_started_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene(tmp_path, ("worker", "worker-1")) as made:
        await made.supervisor.start()
        os.kill(made.pid("worker-1"), signal.SIGKILL)
        await made.until_line("worker-1 killed by SIGKILL")
        monkeypatch.setattr(supervisor_module, "READY_WITHIN_S", 0.0)
        await made.until_line("not ready")
        monkeypatch.undo()
        await asyncio.wait_for(made.changes.wait(), DEADLINE_S)
        assert is_running(made.pid("worker-1"))


async def test_a_process_that_cannot_start_is_named(tmp_path: Path) -> None:
    async with scene(tmp_path, ("worker", "worker-1")) as made:
        made.plans[0].config.write_text("name: worker-1\n")
        with pytest.raises(StartFailed, match="worker-1"):
            await made.supervisor.start()
        await made.until_line("is required")
