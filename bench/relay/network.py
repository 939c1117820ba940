"""Two network namespaces joined by a veth pair: the relay on one side, clients and a transceiver on the other."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from os import getpid
from typing import NamedTuple

RELAY_HOST = "10.77.0.1"
FAR_HOST = "10.77.0.2"
CLIENT_NET = "10.80.0.0"
CLIENT_NET_BITS = 12
"""Room for a million clients, each with an address of its own."""


class Network(NamedTuple):
    """Names of the two namespaces."""

    relay: str
    far: str


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)  # noqa: S603, S607 - fixed words and names made here


@contextmanager
def network(*, loopback: bool = False) -> Iterator[Network]:
    """Makes the namespaces, with names no other process has, and removes them. Needs CAP_NET_ADMIN.

    With `loopback` both are the same one, and its `lo` carries every address.

    Raises:
        subprocess.CalledProcessError: the kernel refuses.
    """
    relay = f"offhook-relay-{getpid()}"
    made = Network(relay, relay if loopback else f"offhook-far-{getpid()}")
    try:
        for name in dict.fromkeys(made):
            _ip("netns", "add", name)
        if loopback:
            _one_host(relay)
        else:
            _two_hosts(made)
        yield made
    finally:
        for name in dict.fromkeys(made):
            subprocess.run(["ip", "netns", "delete", name], check=False, stderr=subprocess.DEVNULL)  # noqa: S603, S607 - as above


def _one_host(name: str) -> None:
    _ip("-n", name, "link", "set", "lo", "up")
    for host in (RELAY_HOST, FAR_HOST):
        _ip("-n", name, "address", "add", f"{host}/32", "dev", "lo")
    _ip("-n", name, "route", "add", "local", f"{CLIENT_NET}/{CLIENT_NET_BITS}", "dev", "lo")


def _two_hosts(made: Network) -> None:
    _ip("-n", made.relay, "link", "add", "veth0", "type", "veth", "peer", "name", "veth0", "netns", made.far)
    for name, host in ((made.relay, RELAY_HOST), (made.far, FAR_HOST)):
        _ip("-n", name, "address", "add", f"{host}/24", "dev", "veth0")
        _ip("-n", name, "link", "set", "lo", "up")
        _ip("-n", name, "link", "set", "veth0", "up")
    clients = f"{CLIENT_NET}/{CLIENT_NET_BITS}"
    _ip("-n", made.relay, "route", "add", clients, "via", FAR_HOST)
    _ip("-n", made.far, "route", "add", "local", clients, "dev", "lo")


def inside(namespace: str, core: int, *command: str) -> list[str]:
    """A command line that runs pinned to a core in a namespace."""
    return ["ip", "netns", "exec", namespace, "taskset", "-c", str(core), *command]
