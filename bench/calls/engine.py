"""One process of the load client that shares a run's schedule: started, told to go, read event by event, stopped."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final, Self

from bench.client import LoadFailed

LONGEST_LINE_BYTES: Final = 16 * 1024 * 1024
END_WITHIN_S: Final = 30.0
"""How long the process may take to hang up all calls once it was told to stop."""


class Engine:
    """See the module.

    Attributes:
        client_port: UDP port of its callers.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.client_port = 0

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @classmethod
    async def start(cls, program: Sequence[str], options: Mapping[str, Any], *, key: str | None) -> Self:
        """Starts it; returns when it is ready to go.

        Raises:
            LoadFailed: it does not start.
        """
        environment = {name: value for name, value in os.environ.items() if name != "OFFHOOK_API_KEY"}
        if key is not None:
            environment["OFFHOOK_API_KEY"] = key
        process = await asyncio.create_subprocess_exec(
            *program,
            json.dumps(options),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
            limit=LONGEST_LINE_BYTES,
            # Ctrl-C is for us: the process ends its calls when it is told to.
            start_new_session=True,
        )
        engine = cls(process)
        try:
            async for name, event in engine.events():
                if name == "ready":
                    engine.client_port = event.get("client_port", 0)
                    return engine
        except BaseException:
            await engine.close()
            raise
        raise LoadFailed("it ended before it was ready")

    async def events(self) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """What it says, as it says it.

        Raises:
            LoadFailed: it ended with an error.
        """
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        async for line in self._process.stdout:
            event = json.loads(line)
            yield event.pop("event"), event
        if await self._process.wait() != 0:
            raise LoadFailed((await self._process.stderr.read()).decode().strip())

    def go(self) -> None:
        """Begins the schedule."""
        self._order("go")

    def stop(self) -> None:
        """Ends it before its time: calls hang up, and it says what it has measured."""
        self._order("stop")

    def _order(self, line: str) -> None:
        assert self._process.stdin is not None
        if not self._process.stdin.is_closing():
            self._process.stdin.write(f"{line}\n".encode())

    async def close(self) -> None:
        """Ends the process, by force if it has not ended by itself."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
