"""What a client was told, with chosen names instead of a session's chance ids, so that two sessions can be compared."""

import re
from typing import Any

OF_ONE_TRANSPORT = frozenset(
    {
        *("response.output_audio.delta", "output_audio_buffer.started"),
        *("output_audio_buffer.stopped", "output_audio_buffer.cleared"),
    }
)
"""Events that only one transport has."""
_OF_ITS_OWN = frozenset({"event_id", "expires_at", "remaining", "reset_seconds"})
"""Fields that differ between any two sessions."""
_CHANCE_ID = re.compile(r"\b([a-z]+)_[0-9a-f]{24}\b")


class ToldEvents:
    """The events of one session, made comparable. Ids are named in the order in which they come."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def of(self, events: list[dict[str, Any]]) -> list[Any]:
        """Further events, without those that only one transport has."""
        return [self._plain(event) for event in events if event["type"] not in OF_ONE_TRANSPORT]

    def _plain(self, value: Any) -> Any:  # noqa: ANN401 - JSON
        if isinstance(value, dict):
            return {key: self._plain(each) for key, each in value.items() if key not in _OF_ITS_OWN}
        if isinstance(value, list):
            return [self._plain(each) for each in value]
        return _CHANCE_ID.sub(self._name, value) if isinstance(value, str) else value

    def _name(self, found: re.Match[str]) -> str:
        return self._names.setdefault(found[0], f"{found[1]}_{len(self._names)}")
