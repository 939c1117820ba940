"""Follows discovery as every process of a fleet does at once, changes what it sees, and says how soon each knew.

A program, for it runs in the network namespace of the simulated cluster:

    fleet_watch.py ADMIN_KUBECONFIG RELAY_ADMIN_URL RELAYS TRANSCEIVERS CHANGES

KUBECONFIG is that of a pod's service account. Prints a JSON report.
"""

import asyncio
import json
import resource
import statistics
import subprocess
import sys
import time
from typing import Any

import aiohttp
from kubernetes import client, config

from offhook.service.discovery import watch_targets
from offhook.service.discovery_health import DiscoveryHealth, Failure

NAMESPACE = "voice"
TRANSCEIVERS = f"kubernetes:{NAMESPACE}/fabric-offhook-transceiver:route"
WORKERS = f"kubernetes:{NAMESPACE}/fabric-offhook-worker:grpc"
EXTRA = "10.244.250.1"
DEADLINE_S = 60.0
COUNTED = ("apiserver_request_total", "apiserver_watch_events_total", "apiserver_watch_events_sizes_sum")


class Watchers:
    """One watch for each that a fleet has: a relay follows transceivers, a transceiver follows those and workers."""

    def __init__(self, relays: int, transceivers: int) -> None:
        self.health = DiscoveryHealth()
        self.of_transceivers = relays + transceivers
        targets = [TRANSCEIVERS] * self.of_transceivers + [WORKERS] * transceivers
        self.known: list[frozenset[str]] = [frozenset()] * len(targets)
        self.known_at = [0.0] * len(targets)
        self._tasks = [asyncio.create_task(self._follow(number, target)) for number, target in enumerate(targets)]

    async def _follow(self, number: int, target: str) -> None:
        async for found in watch_targets([target], health=self.health):
            self.known[number] = found
            self.known_at[number] = time.perf_counter()

    async def all_know(self, number: int) -> None:
        """Returns when every watch of transceivers has found so many."""
        async with asyncio.timeout(DEADLINE_S):
            while not all(len(found) == number for found in self.known[: self.of_transceivers]):
                await asyncio.sleep(0.002)

    def delays_s(self, since: float) -> list[float]:
        """When each watch of transceivers last heard something."""
        return [at - since for at in self.known_at[: self.of_transceivers]]

    async def stop(self) -> None:
        """Ends them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class Relay:
    """A real relay process, as its metrics show it."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url = url
        self._session = session

    async def knows(self, number: int) -> float:
        """When it has discovered so many transceivers."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                async with self._session.get(f"{self._url}/metrics") as response:
                    text = await response.text()
                if f"\nfabric_relay_transceivers {number}.0\n" in text:
                    return time.perf_counter()
                await asyncio.sleep(0.01)


def extra_slice() -> client.V1EndpointSlice:
    """One more transceiver."""
    return client.V1EndpointSlice(
        metadata=client.V1ObjectMeta(
            name="one-more", labels={"kubernetes.io/service-name": "fabric-offhook-transceiver"}
        ),
        address_type="IPv4",
        endpoints=[client.V1Endpoint(addresses=[EXTRA], conditions=client.V1EndpointConditions(ready=True))],
        ports=[client.DiscoveryV1EndpointPort(name="route", port=7001, protocol="TCP")],
    )


def load(admin: str) -> dict[str, float]:
    """What the API server has done for EndpointSlices so far."""
    command = ["kubectl", "--kubeconfig", admin, "get", "--raw", "/metrics"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    totals = dict.fromkeys(COUNTED, 0.0)
    for line in text.splitlines():
        name = line.partition("{")[0]
        if name in totals and ("endpointslices" in line or "EndpointSlice" in line):
            totals[name] += float(line.rpartition(" ")[2])
    return totals


def summary_ms(seconds: list[float]) -> dict[str, float]:
    """Median, 99th percentile and maximum."""
    ordered = sorted(seconds)
    picked = {"p50": statistics.median(ordered), "p99": ordered[int(len(ordered) * 0.99)], "max": ordered[-1]}
    return {name: round(value * 1000, 1) for name, value in picked.items()}


async def report(admin: str, relay_url: str, relays: int, transceivers: int, changes: int) -> dict[str, Any]:
    """Everything, in order."""
    slices = client.DiscoveryV1Api(config.new_client_from_config(admin))
    async with aiohttp.ClientSession() as session:
        relay = Relay(relay_url, session)
        watchers = Watchers(relays, transceivers)
        started = time.perf_counter()
        await watchers.all_know(transceivers)
        listed_s = time.perf_counter() - started
        before, cpu_before = load(admin), time.process_time()
        of_watchers: list[float] = []
        of_relay: list[float] = []
        for change in range(changes):
            number = transceivers + 1 - change % 2
            began = time.perf_counter()
            if change % 2 == 0:
                await asyncio.to_thread(slices.create_namespaced_endpoint_slice, NAMESPACE, extra_slice())
            else:
                await asyncio.to_thread(slices.delete_namespaced_endpoint_slice, "one-more", NAMESPACE)
            known_at, _ = await asyncio.gather(relay.knows(number), watchers.all_know(number))
            of_relay.append(known_at - began)
            of_watchers.extend(watchers.delays_s(began))
        after = load(admin)
        await watchers.stop()
    return {
        "watches": len(watchers.known),
        "all_listed_s": round(listed_s, 2),
        "changes": changes,
        "known_to_relay_ms": summary_ms(of_relay),
        "known_to_watches_ms": summary_ms(of_watchers),
        "per_change": {name: round((after[name] - before[name]) / changes, 1) for name in COUNTED},
        "watch_cpu_ms_per_change": round((time.process_time() - cpu_before) * 1000 / changes / len(watchers.known), 3),
        "all_watches_rss_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "failures": sum(map(watchers.health.failures, Failure)),
    }


if __name__ == "__main__":
    _, kubeconfig, url, *numbers = sys.argv
    print(json.dumps(asyncio.run(report(kubeconfig, url, *map(int, numbers)))))
