"""A control plane with simulated nodes, and one real relay that follows it with a pod's rights."""

import json
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from offhook.service.config import new_key_file
from tests.chart.rendering import CHART, HELM, ROOT
from tests.cluster.cluster import HERE, NAMESPACE, CommandFailed

ADMIN_URL = "http://127.0.0.1:9090"


class SimulatedCluster:
    """Nodes and pods that exist only in the API.

    Args:
        directory: what was built for it, and its state.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def up(self, nodes: int) -> None:
        """Starts it anew."""
        subprocess.run([HERE / "simulated.sh", self._directory, "up", str(nodes)], check=True)

    def down(self) -> None:
        """Stops all of it."""
        subprocess.run([HERE / "simulated.sh", self._directory, "down"], check=True)

    def command(self, *command: str | Path) -> list[str | Path]:
        """A command line that runs in its network namespace."""
        return [HERE / "simulated.sh", self._directory, "exec", *command]

    def run(self, *command: str | Path, stdin: str | None = None) -> str:
        """Standard output of a command there.

        Raises:
            CommandFailed: it failed.
        """
        done = subprocess.run(
            self.command(*command), check=False, capture_output=True, text=True, timeout=300, input=stdin
        )
        if done.returncode != 0:
            raise CommandFailed(f"{' '.join(map(str, command))}: {done.stderr}")
        return done.stdout

    def kubectl(self, *arguments: str) -> str:
        """Standard output of kubectl."""
        return self.run("kubectl", "--namespace", NAMESPACE, *arguments)

    def install(self, values: Mapping[str, Any]) -> None:
        """Installs the chart."""
        options = ("--namespace", NAMESPACE, "--create-namespace", "--wait", "--timeout", "120s", "--values", "-")
        self.run(HELM, "install", "fabric", CHART, *options, stdin=yaml.safe_dump(dict(values)))

    @property
    def admin_kubeconfig(self) -> Path:
        """Of somebody who may do everything."""
        return self._directory / "simulated/kubeconfig"

    def kubeconfig_of(self, account: str, path: Path) -> None:
        """Writes a kubeconfig with the rights of a service account and no others."""
        settings = yaml.safe_load(self.admin_kubeconfig.read_text())
        settings["users"] = [{"name": "u", "user": {"token": self.kubectl("create", "token", account).strip()}}]
        path.write_text(yaml.safe_dump(settings))

    def resident_mib(self, program: str) -> int:
        """Memory of a program of the control plane."""
        return resident_mib(int((self._directory / "simulated" / f"{program}.pid").read_text()))


class FollowingRelay:
    """A relay process; make it with `following_relay`."""

    def __init__(self, cluster: SimulatedCluster, pid: int, log: Path) -> None:
        self._cluster = cluster
        self._pid = pid
        self._log = log

    def await_transceivers(self, number: int, within_s: float = 60.0) -> None:
        """Returns when it has discovered so many."""
        deadline = time.monotonic() + within_s
        while self.transceivers != number:
            assert time.monotonic() < deadline, f"{self.transceivers} and not {number}: {self._log.read_text()[-2000:]}"
            time.sleep(0.05)

    @property
    def transceivers(self) -> int:
        """How many it has discovered; none if it cannot be asked yet."""
        try:
            text = self._cluster.run("curl", "--silent", "--max-time", "5", f"{ADMIN_URL}/metrics")
        except CommandFailed:
            return 0
        samples = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return round(float(samples["fabric_relay_transceivers"]))

    @property
    def resident_mib(self) -> int:
        """Its memory."""
        return resident_mib(self._pid)

    @property
    def cpu_s(self) -> float:
        """What it has used of a core's time."""
        fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100


def resident_mib(pid: int) -> int:
    """Memory of a process."""
    (line,) = [each for each in Path(f"/proc/{pid}/status").read_text().splitlines() if each.startswith("VmRSS")]
    return int(line.split()[1]) // 1024


@contextmanager
def following_relay(cluster: SimulatedCluster) -> Iterator[FollowingRelay]:
    """A relay that follows the chart's transceivers as one of its pods does."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        (directory / "keys.json").write_text(json.dumps(new_key_file()))
        cluster.kubeconfig_of("fabric-offhook-relay", directory / "kubeconfig")
        config = {
            "relay_id": "r",
            "cluster_id": 1,
            "listen": ["127.0.0.1:3478"],
            "upstream_listen": "127.0.0.1:0",
            "transceivers": [f"kubernetes:{NAMESPACE}/fabric-offhook-transceiver:route"],
            "keys_file": str(directory / "keys.json"),
            "admin_listen": ADMIN_URL.removeprefix("http://"),
            "sync_deadline_s": 1,
            "drain_s": 0,
            "handover_s": 0,
        }
        (directory / "relay.yaml").write_text(yaml.safe_dump(config))
        log = directory / "log"
        with log.open("w") as output:
            command = cluster.command(
                "env",
                f"KUBECONFIG={directory}/kubeconfig",
                ROOT / ".venv/bin/offhook",
                "relay",
                "--config",
                directory / "relay.yaml",
            )
            # Everything between is an exec: the process started is the relay.
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield FollowingRelay(cluster, process.pid, log)
        finally:
            process.terminate()
            process.wait(30)
