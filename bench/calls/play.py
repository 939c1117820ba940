"""So many calls at once to one endpoint: what their callers saw."""

import socket
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import urlsplit

from bench.client import Load
from bench.machine import CannotMeasure, machine

FIRST_ON_LOOPBACK: Final = "127.64.0.1"
STAGES = {
    "answer": "answer_us",
    "first_check": "answer_to_stun_us",
    "dtls": "answer_to_dtls_us",
    "first_media": "answer_to_media_us",
    "whole": "whole_us",
}
"""Of setup: from the offer to the answer, from there to each event, and all of it."""


class Wanted(NamedTuple):
    """A run.

    Attributes:
        url: where offers are posted (`application/sdp`).
        key: bearer key, if the server wants one.
        end: how a call ends: POST to its location's /hangup (Realtime API), or DELETE (WHIP).
        calls: how many at once.
        rate: calls opened per second.
        seconds: how long they play, once all are up.
        first_address: of the callers, which each have an address of this machine; None: loopback ones, or for one call
            to elsewhere the address that leads there.
    """

    url: str
    key: str | None
    end: Literal["hangup", "delete"]
    calls: int
    rate: float
    seconds: float
    first_address: str | None = None


def play(wanted: Wanted, progress: Callable[[str], None]) -> dict[str, Any]:
    """Places the calls and returns the report.

    Raises:
        CannotMeasure: there is no load client here.
        LoadFailed: it ended before its time.
    """
    options: dict[str, Any] = {
        "url": wanted.url,
        "key": wanted.key,
        "end": wanted.end,
        "rate": wanted.rate,
        "first_address": wanted.first_address or _own_address(wanted),
        "run": {"play": {"calls": wanted.calls, "seconds": wanted.seconds}},
    }
    said: dict[str, Mapping[str, Any]] = {}
    with Load(options, core=None) as load:
        for name, event in load.events():
            said[name] = event
            if name == "settled":
                progress(f"{event['calls']} of {wanted.calls} calls are up")
    return _report(wanted, said)


def _own_address(wanted: Wanted) -> str:
    """Where callers are: on the loopback network, or, one alone, at the address from which the server is reached.

    Raises:
        CannotMeasure: the server is elsewhere and the callers are many, or it cannot be reached.
    """
    host = urlsplit(wanted.url).hostname or ""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((host, 9))
            own: str = probe.getsockname()[0]
    except OSError as error:
        raise CannotMeasure(f"{host} cannot be reached: {error.strerror}") from None
    if own.startswith("127."):
        return FIRST_ON_LOOPBACK
    if wanted.calls > 1:
        raise CannotMeasure("several callers need an address each: --first-address names the first of them")
    return own


def _report(wanted: Wanted, said: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    setup, playing = said["setup"], said["steady"]["playing"]
    failures = said["end"]["failures"]
    sent = playing["sent"]
    return {
        "version": 1,
        "machine": machine(),
        "wanted": {"calls": wanted.calls, "rate": wanted.rate, "seconds": wanted.seconds},
        "calls_up": setup["calls"],
        "failures": failures,
        "setup_us": {stage: setup[key] for stage, key in STAGES.items()},
        "round_trip_us": playing["round_trip_us"],
        "longest_silence_us": playing["longest_silence_us"],
        "packets": {name: playing[name] for name in ("sent", "received", "lost", "reordered", "duplicates")},
        "lost_share": round(playing["lost"] / sent, 6) if sent else None,
        "load": playing["load"],
    }
