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
def network() -> Iterator[Network]:
    """Makes both namespaces, with names no other process has, and removes them. Needs CAP_NET_ADMIN.

    Raises:
        subprocess.CalledProcessError: the kernel refuses.
    """
    made = Network(f"offhook-relay-{getpid()}", f"offhook-far-{getpid()}")
    try:
        for name in made:
            _ip("netns", "add", name)
        _ip("-n", made.relay, "link", "add", "veth0", "type", "veth", "peer", "name", "veth0", "netns", made.far)
        for name, host in ((made.relay, RELAY_HOST), (made.far, FAR_HOST)):
            _ip("-n", name, "address", "add", f"{host}/24", "dev", "veth0")
            _ip("-n", name, "link", "set", "lo", "up")
            _ip("-n", name, "link", "set", "veth0", "up")
        clients = f"{CLIENT_NET}/{CLIENT_NET_BITS}"
        _ip("-n", made.relay, "route", "add", clients, "via", FAR_HOST)
        _ip("-n", made.far, "route", "add", "local", clients, "dev", "lo")
        yield made
    finally:
        for name in made:
            subprocess.run(["ip", "netns", "delete", name], check=False, stderr=subprocess.DEVNULL)  # noqa: S603, S607


def inside(namespace: str, core: int, *command: str) -> list[str]:
    """A command line that runs pinned to a core in a namespace."""
    return ["ip", "netns", "exec", namespace, "taskset", "-c", str(core), *command]
