"""The five-tuples over which a session has heard its client, and which of them it sends on.

A path enters the table with an authentic check and may be sent on at once. Which one is selected:

- the first path is, until another is nominated or DTLS comes in on another: replies go where questions come from;
- once media flows, selection moves only to a path that was nominated since and carries authentic media, or away from a
  path that has gone silent. So a check that was captured and delivered from elsewhere cannot draw the media away.

Until a path has proved that the client really is there, at most three times what came from it is sent to it
(the rule of RFC 9000 section 8, https://www.rfc-editor.org/rfc/rfc9000#section-8; DTLS leaves it to ICE, but a check
shows who sent it, not where from).
"""

from dataclasses import dataclass
from typing import Final

from transceiver.media_port.interface import Path

MAX_PATHS: Final = 8
"""A client behind two networks, each with a rebinding NAT, stays below that."""
SILENCE_S: Final = 1.0
"""A selected path that carried nothing for so long may be left."""
AMPLIFICATION: Final = 3

_NEVER: Final = float("-inf")


@dataclass(slots=True)
class _PathState:
    heard_at: float
    nominated_at: float = _NEVER
    media_at: float = _NEVER
    proven: bool = False
    bytes_received: int = 0
    bytes_sent: int = 0


class PathTable:
    """See the module's docstring. Methods that may move the selection leave the result in `selected`."""

    def __init__(self) -> None:
        self.selected: Path | None = None
        self._paths: dict[Path, _PathState] = {}
        self._selected_at = _NEVER
        self._media_flows = False
        # Where media comes in on the selected path, and its state.
        self._media_path: Path | None = None
        self._media_state: _PathState | None = None

    def __contains__(self, path: Path) -> bool:
        return path in self._paths

    @property
    def paths(self) -> tuple[Path, ...]:
        """All of them."""
        return tuple(self._paths)

    def check_received(self, path: Path, size: int, *, nominated: bool, now: float) -> Path | None:
        """Enters an authentic check of `size` bytes; returns a path that had to make room."""
        evicted = None
        state = self._paths.get(path)
        if state is None:
            if len(self._paths) >= MAX_PATHS:
                evicted = self._least_recent()
                del self._paths[evicted]
            state = self._paths[path] = _PathState(now)
        state.heard_at = now
        state.bytes_received += size
        if nominated:
            state.nominated_at = now
        if path != self.selected and self._check_selects(state, nominated=nominated, now=now):
            self._select(path, now)
        return evicted

    def dtls_received(self, path: Path, size: int, now: float) -> None:
        """Enters a datagram of the handshake. It is not authentic, so it counts for little."""
        self._media_path = None
        self._paths[path].bytes_received += size
        if path != self.selected and not self._media_flows:
            self._select(path, now)

    @property
    def media_path(self) -> Path | None:
        """The selected path, while media comes in on it and nothing since may have moved the selection."""
        return self._media_path

    def media_has_come(self, now: float) -> None:
        """Enters the last of the packets that have come on `media_path` meanwhile."""
        state = self._media_state
        if self._media_path is not None and state is not None:
            state.heard_at = state.media_at = now

    def media_received(self, path: Path, now: float) -> None:
        """Enters an authentic SRTP or SRTCP packet."""
        state = self._paths[path]
        state.heard_at = state.media_at = now
        state.proven = True
        self._media_flows = True
        if path != self.selected and (self._confirmed(state) or self._selected_is_silent(now)):
            self._select(path, now)
        if path == self.selected:
            self._media_path, self._media_state = path, state

    def prove(self, path: Path) -> None:
        """The client has answered what was sent to `path`."""
        self._paths[path].proven = True

    def admit_sending(self, path: Path, size: int) -> bool:
        """Accounts for `size` bytes to be sent; False if they would exceed what an unproven path may be sent.

        A path that media comes on is proven.
        """
        if path is self._media_path:
            return True
        state = self._paths[path]
        if not state.proven and state.bytes_sent + size > AMPLIFICATION * state.bytes_received:
            return False
        state.bytes_sent += size
        return True

    def remove(self, path: Path, now: float) -> None:
        """Forgets a path; if it was selected, the one heard most recently takes its place."""
        del self._paths[path]
        if path == self.selected:
            self.selected = self._media_path = None
            if self._paths:
                self._select(max(self._paths, key=lambda other: self._paths[other].heard_at), now)

    def silent_since(self, limit: float) -> list[Path]:
        """Paths, other than the selected one, that were last heard before `limit`."""
        return [path for path, state in self._paths.items() if path != self.selected and state.heard_at < limit]

    def _check_selects(self, state: _PathState, *, nominated: bool, now: float) -> bool:
        if self.selected is None:
            return True
        if not nominated:
            return False
        if self._media_flows:
            return self._confirmed(state) or self._selected_is_silent(now)
        # With aggressive nomination every check nominates: the first one so nominated stays.
        return self._paths[self.selected].nominated_at == _NEVER

    def _confirmed(self, state: _PathState) -> bool:
        return state.nominated_at > self._selected_at and state.media_at > self._selected_at

    def _selected_is_silent(self, now: float) -> bool:
        return self.selected is None or now - self._paths[self.selected].heard_at > SILENCE_S

    def _select(self, path: Path, now: float) -> None:
        self.selected = path
        self._selected_at = now
        self._media_path = None

    def _least_recent(self) -> Path:
        others = (path for path in self._paths if path != self.selected)
        return min(others, key=lambda path: self._paths[path].heard_at)
