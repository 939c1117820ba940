"""Which media port a transceiver has."""

from importlib.util import find_spec
from typing import Literal

from transceiver.media_port.interface import EXPEDITED_FORWARDING, MediaPort
from transceiver.media_port.python_port import open_python_port
from wire.address import Address

MediaPortName = Literal["auto", "native", "python"]


def native_port_installed() -> bool:
    """True where the native module was built."""
    return find_spec("offhook_datapath") is not None


def chosen(name: MediaPortName) -> Literal["native", "python"]:
    """What a name stands for here."""
    if name == "auto":
        return "native" if native_port_installed() else "python"
    return name


async def open_media_port(name: MediaPortName, listen: Address, dscp: int = EXPEDITED_FORWARDING) -> MediaPort:
    """Opens the media port of a name; `auto` is the native one where it is installed.

    Raises:
        OSError: the address cannot be bound.
        ImportError: the native port was asked for and is not installed.
    """
    if chosen(name) == "python":
        return await open_python_port(listen, dscp)
    # Here and not above, so that this module loads where the native one is missing.
    from transceiver.media_port.native_port import open_native_port  # noqa: PLC0415  (reason: the line above)

    return await open_native_port(listen, dscp)
