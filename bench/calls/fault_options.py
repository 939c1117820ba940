"""What `--fault` says: what is done to the fabric or to the path, and when."""

import re
from dataclasses import dataclass
from typing import Final, Literal

EXAMPLES: Final = "kill-relay@30s, nat-rebind@20s, loss=5%, delay=80ms±20, or loss=5%@10s-20s for a while"
_SECONDS: Final = r"(\d+(?:\.\d+)?)s"
_DONE_ONCE: Final = re.compile(rf"(?:kill-(?P<victim>[\w.-]+)|nat-rebind)@{_SECONDS}")
_LASTING: Final = re.compile(
    r"(?:loss=(?P<loss>\d+(?:\.\d+)?)%|delay=(?P<delay>\d+(?:\.\d+)?)ms(?:(?:±|\+-)(?P<jitter>\d+(?:\.\d+)?)(?:ms)?)?)"
    rf"(?:@{_SECONDS}(?:-{_SECONDS})?)?"
)
LONGEST_DELAY_MS: Final = 10_000.0


class BadFault(ValueError):
    """It is none that could be done; the message says what could."""


@dataclass(frozen=True)
class FaultOption:
    """One `--fault`.

    Attributes:
        text: as it was given.
        kind: what is done.
        at_s: when, after the first call is due.
        until_s: when it is undone; None: never.
        victim: of `kill`: the process, by its name or role.
        loss: of `loss`: share of the datagrams, each way.
        delay_s: of `delay`: each way.
        jitter_s: of `delay`: so much more or less.
    """

    text: str
    kind: Literal["kill", "nat-rebind", "loss", "delay"]
    at_s: float = 0.0
    until_s: float | None = None
    victim: str = ""
    loss: float = 0.0
    delay_s: float = 0.0
    jitter_s: float = 0.0

    @property
    def needs_path(self) -> bool:
        """Whether media has to go over a path of ours for it."""
        return self.kind != "kill"


def parse_fault(text: str) -> FaultOption:
    """Reads one.

    Raises:
        BadFault: it is none.
    """
    if once := _DONE_ONCE.fullmatch(text):
        victim = once["victim"]
        return FaultOption(text, "kill" if victim else "nat-rebind", at_s=float(once[2]), victim=victim or "")
    found = _LASTING.fullmatch(text)
    if found is None:
        raise BadFault(f"{text} is none of {EXAMPLES}")
    at_s = float(found[4] or 0)
    until_s = float(found[5]) if found[5] else None
    if until_s is not None and until_s <= at_s:
        raise BadFault(f"{text} ends before it begins")
    if found["loss"] is not None:
        loss = float(found["loss"]) / 100
        if loss > 1:
            raise BadFault(f"{text}: more than everything cannot be lost")
        return FaultOption(text, "loss", at_s, until_s, loss=loss)
    delay_ms, jitter_ms = float(found["delay"]), float(found["jitter"] or 0)
    if delay_ms > LONGEST_DELAY_MS or jitter_ms > delay_ms:
        raise BadFault(f"{text}: a delay is at most {LONGEST_DELAY_MS:.0f} ms, and what it varies by at most itself")
    return FaultOption(text, "delay", at_s, until_s, delay_s=delay_ms / 1000, jitter_s=jitter_ms / 1000)
