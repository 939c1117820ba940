"""Which engine a relay runs."""

from importlib.util import find_spec
from typing import Literal

from relay.engine.interface import Engine, EngineSettings
from relay.engine.python import open_python_engine

EngineName = Literal["auto", "native", "python"]


def native_engine_installed() -> bool:
    """True where the native module was built."""
    return find_spec("offhook_datapath") is not None


def open_engine(name: EngineName, settings: EngineSettings) -> Engine:
    """Opens the engine of a name; `auto` is the native one where it is installed.

    Raises:
        OSError: the upstream socket cannot be bound.
        ImportError: the native engine was asked for and is not installed.
    """
    if name == "python" or (name == "auto" and not native_engine_installed()):
        return open_python_engine(settings)
    # Here and not above, so that this module loads where the native one is missing.
    from relay.engine.native import open_native_engine  # noqa: PLC0415  (reason: the line above)

    return open_native_engine(settings)
