"""llama.cpp's own HTTP server, out of the xllamacpp wheel, in a process of its own.

`python -m tests.support.llama_server MODEL SLOTS` prints its address once it listens.
"""

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from tests.support.tiny_gguf import CONTEXT, write_model
from tests.support.worker_scene import DEADLINE_S

ROOT = Path(__file__).parent.parent.parent


class LlamaServer:
    """A running server.

    Attributes:
        url: base of its API.
    """

    def __init__(self, process: asyncio.subprocess.Process, origin: str) -> None:
        self.process = process
        self.origin = origin
        self.url = f"{origin}/v1"

    async def metric(self, name: str) -> float:
        """One of its metrics, such as "requests_processing"."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.origin}/metrics") as response:
            for line in (await response.text()).splitlines():
                if line.startswith(f"llamacpp:{name} "):
                    return float(line.split()[1])
        raise AssertionError(f"llama.cpp tells no {name}")

    async def until_metric(self, name: str, value: float) -> None:
        """Returns when a metric has this value."""
        async with asyncio.timeout(DEADLINE_S):
            while await self.metric(name) != value:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def llama_server(directory: Path, slots: int = 2) -> AsyncIterator[LlamaServer]:
    """A server of the tiny model."""
    model = write_model(directory / "tiny.gguf")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.llama_server", str(model), str(slots)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=ROOT,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(DEADLINE_S):
            origin = (await process.stdout.readline()).decode().strip()
        assert origin.startswith("http://127.0.0.1:"), origin
        yield LlamaServer(process, origin)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def main() -> None:
    """Serves until standard input ends, that is, until whoever started it is gone."""
    import xllamacpp  # noqa: PLC0415 - tests that only use LlamaServer do not load an engine

    parameters = xllamacpp.CommonParams()
    parameters.model.path = sys.argv[1]
    parameters.n_parallel = int(sys.argv[2])
    parameters.n_ctx = CONTEXT * parameters.n_parallel
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.endpoint_metrics = True
    parameters.use_jinja = True
    parameters.cpuparams.n_threads = 1
    parameters.warmup = False
    server = xllamacpp.Server(parameters)
    threading.Thread(target=_end_with_standard_input, daemon=True).start()
    sys.stdout.write(f"{server.listening_address}\n")
    sys.stdout.flush()
    threading.Event().wait()


def _end_with_standard_input() -> None:
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
