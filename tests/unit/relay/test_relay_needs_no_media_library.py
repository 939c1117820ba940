"""A relay image holds none of the transceiver's libraries."""

import subprocess
import sys

import pytest

FORBIDDEN = ["aioice", "pylibsrtp", "OpenSSL", "transceiver", "offhook_worker", "offhook_datapath"]


@pytest.mark.parametrize("module", ["relay.service", "relay.engine.python", "offhook.cli.main"])
def test_it_imports_without_them(module: str) -> None:
    hidden = "; ".join(f"sys.modules[{name!r}] = None" for name in FORBIDDEN)
    subprocess.run([sys.executable, "-c", f"import sys; {hidden}; import {module}"], check=True, timeout=60)
