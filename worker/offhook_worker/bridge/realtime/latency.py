"""How long the server takes from the question to the first audio or text. Sans-IO."""

from collections import OrderedDict
from dataclasses import replace

from offhook_worker.audio import Audio
from offhook_worker.outputs import Output, ResponseDone, Text
from offhook_worker.turn import STAGE_MODEL

MAX_RESPONSES = 32


class FirstOutputs:
    """Times the answers of one call; all of it is the stage "model", as nobody sees into the server."""

    def __init__(self) -> None:
        self._asked_at: OrderedDict[str, float] = OrderedDict()
        self._took_ms: dict[str, float] = {}

    def ask(self, response_id: str, now: float) -> None:
        """An answer was asked for."""
        self._asked_at[response_id] = now
        while len(self._asked_at) > MAX_RESPONSES:
            oldest, _ = self._asked_at.popitem(last=False)
            self._took_ms.pop(oldest, None)

    def note(self, output: Output, now: float) -> Output:
        """An output of the server's; the one that ends an answer is returned with its latency."""
        match output:
            case Audio(response_id=response_id) | Text(response_id=response_id):
                if response_id in self._asked_at and response_id not in self._took_ms:
                    self._took_ms[response_id] = (now - self._asked_at[response_id]) * 1000
            case ResponseDone(response_id=response_id) if response_id in self._took_ms:
                return replace(output, stage_latency_ms={STAGE_MODEL: self._took_ms[response_id]})
        return output
