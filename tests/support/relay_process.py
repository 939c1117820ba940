"""A relay as production runs it: a process with a configuration file, on a loopback address of its own."""

import asyncio
import json
import random
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import yaml

from offhook.service.config import load_key_ring, new_key_file
from tests.support.relay_scene import CLUSTER
from tests.support.udp_peer import DEADLINE_S, until
from wire.address import Address
from wire.ufrag import KeyRing

MEDIA_PORT, ADMIN_PORT = 3478, 9478


def lonely_host() -> str:
    """A loopback address that nobody else uses, so that ports can be known before they are bound."""
    return f"127.{random.randint(64, 126)}.{random.randint(1, 254)}.{random.randint(1, 254)}"


class RelayFiles:
    """Configuration, keys and ready file of one relay.

    Attributes:
        media: where clients send to.
        admin: base URL of the admin endpoints.
        keys: the routing keys, as the transceivers hold them.
    """

    def __init__(self, directory: Path, target: str, **settings: object) -> None:
        host = lonely_host()
        self.media = Address(host, MEDIA_PORT)
        self.admin = f"http://{host}:{ADMIN_PORT}"
        self.keys_file = directory / "keys.json"
        self.keys_file.write_text(json.dumps(new_key_file()))
        self.config_file = directory / "relay.yaml"
        self.ready_file = directory / "ready.json"
        self.log_file = directory / "log"
        config = {
            "relay_id": "relay-under-test",
            "cluster_id": CLUSTER,
            "listen": [f"{host}:{MEDIA_PORT}"],
            "upstream_listen": "127.0.0.1:0",
            "transceivers": [target],
            "keys_file": str(self.keys_file),
            "admin_listen": f"{host}:{ADMIN_PORT}",
            "engine": "python",
            "sync_deadline_s": DEADLINE_S,
            "drain_s": 0,
            "handover_s": 0,
            "log_format": "json",
            "log_level": "debug",
        }
        self.config_file.write_text(yaml.safe_dump({**config, **settings}))

    @property
    def keys(self) -> KeyRing:
        return load_key_ring(self.keys_file)

    @property
    def ready(self) -> Mapping[str, object] | None:
        """What the ready file says; None before there is one."""
        if not self.ready_file.exists():
            return None
        content = json.loads(self.ready_file.read_text())
        assert isinstance(content, dict)
        return content

    @property
    def log(self) -> str:
        return self.log_file.read_text()


class RelayProcess:
    """Make it with `relay_process`."""

    def __init__(self, process: asyncio.subprocess.Process, files: RelayFiles) -> None:
        self._process = process
        self.files = files

    async def is_ready(self) -> None:
        """Returns once it has written its ready file."""
        await until(lambda: self.files.ready is not None or self._process.returncode is not None, "the relay is ready")
        assert self._process.returncode is None, self.files.log

    async def get(self, path: str) -> tuple[int, str]:
        """Status and text of an admin endpoint, once it listens."""
        async with asyncio.timeout(DEADLINE_S), aiohttp.ClientSession() as session:
            while True:
                try:
                    async with session.get(self.files.admin + path) as response:
                        return response.status, await response.text()
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(0.01)

    async def metric(self, sample: str) -> float:
        """The value of one sample, such as `fabric_relay_drops_total{reason="bad_integrity"}`."""
        _, text = await self.get("/metrics")
        return next(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(f"{sample} "))

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def exit_code(self) -> int:
        """Once it has ended."""
        async with asyncio.timeout(DEADLINE_S):
            return await self._process.wait()


@asynccontextmanager
async def relay_process(files: RelayFiles) -> AsyncIterator[RelayProcess]:
    """Runs `offhook relay`; kills it in the end if it is still there."""
    with files.log_file.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "offhook", "relay", "--config", str(files.config_file)),
            *("--ready-file", str(files.ready_file)),
            stdout=log,
            stderr=log,
        )
    try:
        yield RelayProcess(process, files)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
