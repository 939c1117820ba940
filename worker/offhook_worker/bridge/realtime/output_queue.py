"""What waits for the fabric's credit: a server generates far faster than anybody listens."""

import asyncio
from collections import deque

from offhook_worker.audio import Audio
from offhook_worker.bridge.faults import Fault, UpstreamFault
from offhook_worker.outputs import Output

MAX_AUDIO_S = 180
"""More than any answer has; a server that sends more floods."""
MAX_OUTPUTS = 20_000


class OutputQueue:
    """Outputs of one call in order; those of an interrupted response are taken out again."""

    def __init__(self) -> None:
        self._outputs: deque[Output] = deque()
        self._audio_us = 0
        self._filled = asyncio.Event()

    def put(self, output: Output) -> None:
        """Appends one.

        Raises:
            UpstreamFault: too much waits, and what waits of its response is dropped.
        """
        self._outputs.append(output)
        self._audio_us += output.duration_us if isinstance(output, Audio) else 0
        if self._audio_us > MAX_AUDIO_S * 1_000_000 or len(self._outputs) > MAX_OUTPUTS:
            self.forget(getattr(output, "response_id", ""))
            raise UpstreamFault(Fault.BROKEN, "realtime", "an answer without end")
        self._filled.set()

    def forget(self, response_id: str) -> None:
        """Nobody will hear the rest of this response."""
        kept = [each for each in self._outputs if getattr(each, "response_id", None) != response_id]
        self._outputs = deque(kept)
        self._audio_us = sum(each.duration_us for each in kept if isinstance(each, Audio))

    async def get(self) -> Output:
        """The oldest, once there is one."""
        while not self._outputs:
            self._filled.clear()
            await self._filled.wait()
        output = self._outputs.popleft()
        self._audio_us -= output.duration_us if isinstance(output, Audio) else 0
        return output
