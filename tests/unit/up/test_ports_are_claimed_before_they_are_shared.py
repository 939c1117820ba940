"""Several processes share a port by SO_REUSEPORT, and a second fabric must not slip in."""

import socket

import pytest

from offhook.up.ports import PortInUse, reserve
from wire.address import Address

ANY = Address("127.0.0.1", 0)


def shared_socket(address: Address) -> socket.socket:
    created = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    created.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    created.bind(tuple(address))
    return created


def test_a_free_port_is_found_and_can_be_shared() -> None:
    reservation = reserve(ANY, socket.SOCK_DGRAM)
    assert reservation.address.port != 0
    with shared_socket(reservation.address), shared_socket(reservation.address):
        reservation.release()


def test_a_port_that_another_fabric_shares_is_refused() -> None:
    reservation = reserve(ANY, socket.SOCK_DGRAM)
    with shared_socket(reservation.address):
        reservation.release()
        with pytest.raises(PortInUse, match=str(reservation.address.port)):
            reserve(reservation.address, socket.SOCK_DGRAM)


def test_an_address_that_is_not_ours_is_refused() -> None:
    with pytest.raises(PortInUse, match=r"192\.0\.2\.1"):
        reserve(Address("192.0.2.1", 0), socket.SOCK_DGRAM)
