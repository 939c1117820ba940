"""Signalling of the callers in Python, by WHIP (RFC 9725). Standard library only: one runs in the system's Python."""

import json
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping

MODEL = "loopback"
EVENTS = "oai-events"
OTHER = "interop"
PATIENCE_S = 20.0
HANG_UP_SEEN_WITHIN_S = 10.0
GOODBYE_S = 0.5
_LONG_MESSAGE_BYTES = 50_000

# What is sent on each channel and has to come back: text and binary, short, empty and longer than a packet.
EVENT_MESSAGES: tuple[str | bytes, ...] = ('{"type":"session.update"}', "grüß dich, 世界")
OTHER_MESSAGES: tuple[str | bytes, ...] = (
    "text",
    "",
    b"\x00\xff",
    "x" * _LONG_MESSAGE_BYTES,
    bytes((index * 7) % 251 for index in range(_LONG_MESSAGE_BYTES)),
)


class Call:
    """A call that the fabric has accepted. Methods block.

    Attributes:
        id: rtc_….
        offer, answer: SDP.
    """

    def __init__(self, http: str, api_key: str, offer: str) -> None:
        self._http, self._api_key = http, api_key
        self.offer = offer
        headers, self.answer = self._request("POST", f"/whip?model={MODEL}", {"Content-Type": "application/sdp"}, offer)
        self._path = headers["Location"]
        self.id = self._path.rpartition("/")[2]

    def restart(self, offer: str) -> str:
        """Sends the client's new credentials (RFC 9725 section 4.3.3); returns the answer with the server's."""
        fragment = "".join(f"{line}\r\n" for line in re.findall(r"^a=ice-(?:ufrag|pwd):\S+", offer, re.MULTILINE)[:2])
        headers = {"Content-Type": "application/trickle-ice-sdpfrag", "If-Match": "*"}
        _, ours = self._request("PATCH", self._path, headers, fragment)
        answer = self.answer
        for line in re.findall(r"^a=ice-(?:ufrag|pwd):\S+", ours, re.MULTILINE):
            name = line.partition(":")[0]
            answer = re.sub(rf"^{name}:\S+", line, answer, flags=re.MULTILINE)
        return answer

    def hang_up(self) -> None:
        """Ends the call."""
        self._request("DELETE", self._path, {}, "")

    def _request(self, method: str, path: str, headers: Mapping[str, str], body: str) -> tuple[Mapping[str, str], str]:
        request = urllib.request.Request(
            self._http + path,
            data=body.encode() or None,
            headers={"Authorization": f"Bearer {self._api_key}", **headers},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
                return response.headers, response.read().decode()
        except urllib.error.HTTPError as refusal:
            raise RuntimeError(f"{refusal}: {refusal.read().decode()}") from refusal


def print_findings(findings: Mapping[str, object]) -> None:
    """Hands the findings to the test."""
    json.dump(findings, sys.stdout)
