"""A fabric whose processes a test starts and stops one by one, as an orchestrator does: nothing restarts by itself."""

import asyncio
import contextlib
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from offhook.up.layout import Layout, Options, ProcessPlan, new_api_key
from offhook.up.ports import reserve
from tests.support.udp_peer import until
from wire.address import Address


class RoleProcess:
    """One running `offhook relay|transceiver|worker`. Made by `PlannedFabric.run`."""

    def __init__(self, plan: ProcessPlan, process: asyncio.subprocess.Process, log: Path) -> None:
        self.plan = plan
        self._process = process
        self._log = log

    @property
    def entry(self) -> dict[str, Any]:
        """As `offhook up` lists a process: role, id, pid and metrics URL. It must be ready."""
        ready = json.loads(self.plan.ready_file.read_text())
        return {"role": self.plan.role, "id": self.plan.id, "pid": self._process.pid, **ready}

    @property
    def log(self) -> str:
        return self._log.read_text()

    async def is_ready(self) -> None:
        await until(lambda: self.plan.ready_file.exists() or self.has_ended, f"{self.plan.id} is ready")
        assert not self.has_ended, self.log

    @property
    def has_ended(self) -> bool:
        return self._process.returncode is not None

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def exit_code(self) -> int:
        """Once it has ended."""
        return await self._process.wait()


class PlannedFabric:
    """One transceiver, one echo worker, and the relays that the test asks for. Made by `planned_fabric`.

    Attributes:
        http: base URL of the API.
        headers: request headers that carry the API key.
        keys_file: the routing keys, as relays and transceiver share them.
        running: transceiver and worker, by role.
    """

    def __init__(self, directory: Path, options: Options, stack: contextlib.AsyncExitStack) -> None:
        self.http = f"http://{options.http.host}:{options.http.port}"
        self.headers = {"Authorization": f"Bearer {options.api_key}"}
        self.keys_file = directory / "keys.json"
        self._directory = directory
        self._stack = stack
        plans = {plan.id: plan for plan in Layout(directory, options).write()}
        self._relay_plan = plans.pop("relay-1")
        self.others: Sequence[ProcessPlan] = tuple(plans.values())
        self.running: dict[str, RoleProcess] = {}

    def configure_transceiver(self, workers: Sequence[str], limits: Mapping[str, float]) -> None:
        """Changes its configuration before it runs."""
        (path,) = (plan.config for plan in self.others if plan.role == "transceiver")
        config = yaml.safe_load(path.read_text())
        config["workers"] += list(workers)
        config["limits"] = {**config.get("limits", {}), **limits}
        path.write_text(yaml.safe_dump(config))

    async def relay(self, name: str, **settings: object) -> RoleProcess:
        """Starts a relay on the public port, beside those that have it already, and waits until it is ready."""
        config = yaml.safe_load(self._relay_plan.config.read_text())
        path = self._directory / f"{name}.yaml"
        path.write_text(yaml.safe_dump({**config, "relay_id": name, "log_level": "info", **settings}))
        relay = await self.run(ProcessPlan("relay", name, path, self._directory / f"{name}.ready.json"))
        await relay.is_ready()
        return relay

    async def run(self, plan: ProcessPlan) -> RoleProcess:
        """Starts a process; it is killed in the end if it is still there."""
        log = self._directory / f"{plan.id}.log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "offhook", plan.role),
                *("--config", str(plan.config), "--ready-file", str(plan.ready_file)),
                stdout=output,
                stderr=output,
            )
        self._stack.push_async_callback(_end, process)
        return RoleProcess(plan, process, log)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
        await process.wait()


@contextlib.asynccontextmanager
async def planned_fabric(
    directory: Path, *, engine: str = "auto", workers: Sequence[str] = (), limits: Mapping[str, float] | None = None
) -> AsyncIterator[PlannedFabric]:
    """Transceiver and worker, ready; no relay yet.

    Args:
        workers: targets of workers that the test runs itself.
        limits: of sessions, as `SessionLimits` names them.
    """
    http = reserve(Address("127.0.0.1", 0), socket.SOCK_STREAM)
    media = reserve(Address("127.0.0.1", 0), socket.SOCK_DGRAM)
    # Relays share the port with each other alone: clients must not be hashed to whoever only holds it.
    media.release()
    options = Options(
        http=http.address,
        media=[media.address],
        advertise=[media.address],
        relays=1,
        transceivers=1,
        workers=1,
        worker="echo",
        engine=engine,
        api_key=new_api_key(),
        log_level="info",
    )
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(http.release)
        fabric = PlannedFabric(directory, options, stack)
        fabric.configure_transceiver(workers, limits or {})
        for plan in fabric.others:
            fabric.running[plan.role] = await fabric.run(plan)
        for process in fabric.running.values():
            await process.is_ready()
        yield fabric
