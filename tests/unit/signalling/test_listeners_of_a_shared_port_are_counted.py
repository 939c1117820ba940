"""How many sockets listen at an address: each of a shared port counts, and nothing else does."""

import socket
from contextlib import ExitStack

import pytest

from transceiver.signalling.shared_port import listeners_at
from wire.address import Address


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_each_listener_counts_and_nothing_else(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with ExitStack() as stack:

        def opened(port: int) -> socket.socket:
            made = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            made.bind((host, port))
            return made

        first = opened(0)
        address = Address(host, first.getsockname()[1])
        assert listeners_at(address) == 0
        first.listen()
        assert listeners_at(address) == 1
        second = opened(address.port)
        second.listen()
        assert listeners_at(address) == 2
        client = stack.enter_context(socket.create_connection((host, address.port)))
        assert listeners_at(address) == 2
        assert listeners_at(Address(host, client.getsockname()[1])) == 0
        second.close()
        assert listeners_at(address) == 1
