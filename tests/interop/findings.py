"""What a foreign client found out in its calls, and whether the sound it got back is the sound it sent."""

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from tests.interop.recording import Recording, resample

# The first frames may be sent before the far side listens, and an ICE restart may cost some.
LEAST_SHARE = 0.8
LEAST_CORRELATION = 0.8
# Where the machine is busy a client speaks late, and its jitter buffer stretches and shrinks what comes back: windows
# are short, and may have come seconds late. Other speech agrees by 0.4 at most in them (measured).
WINDOW_S = 1.0
LONGEST_DELAY_S = 4.0


class Findings(NamedTuple):
    """Of one client.

    Attributes:
        version: its own.
        call: id of the first call, which the server ended.
        closed_call: id of the second, which the client ended.
        offer: SDP of the first.
        echoed: whether every message came back as it was sent, on its channel.
        audio: the two directions: Opus frames ({"form": "frames", "sent", "received": [base64]}) or 16-bit mono samples
            ({"form": "samples", "sent", "received": base64, "sent_rate", "received_rate": Hz}).
        saw_hang_up: whether the client noticed that the server ended the first call.
    """

    version: str
    call: str
    closed_call: str
    offer: str
    echoed: bool
    audio: Mapping[str, Any]
    saw_hang_up: bool


def read_findings(output: bytes) -> Findings:
    """Parses what a client has printed."""
    return Findings(**json.loads(output))


def audio_agrees(audio: Mapping[str, Any]) -> tuple[bool, str]:
    """Whether the client heard what it said, with the measure of it in words."""
    if audio["form"] == "frames":
        sent, received = audio["sent"], audio["received"]
        figures = f"{len(received)} of {len(sent)} frames back, byte for byte"
        return len(received) >= LEAST_SHARE * len(sent) and _is_subsequence(received, sent), figures
    recording = Recording()
    local, remote = (
        resample(np.frombuffer(base64.b64decode(audio[side]), "<i2") / 32768, audio[f"{side}_rate"])
        for side in ("sent", "received")
    )
    length = max(len(local), len(remote))
    padded = [np.pad(signal, (0, length - len(signal))) for signal in (local, remote)]
    recording.fill(padded[0], padded[1])
    match = recording.match(window_s=WINDOW_S, longest_delay_s=LONGEST_DELAY_S)
    figures = f"correlation {match.correlation:.3f}, delay {match.delay_s * 1000:.0f} ms"
    return match.correlation > LEAST_CORRELATION, figures


def _is_subsequence(part: list[str], whole: list[str]) -> bool:
    """Whether no frame came back changed, twice or out of order."""
    rest: Iterator[str] = iter(whole)
    return all(element in rest for element in part)
