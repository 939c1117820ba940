"""Server-sent events, the part of them that engines use. Sans-IO.

    data: {"choices": …}⏎⏎        one event; several data lines of one event join with a newline
    : keep-alive⏎                  a comment
    event: …⏎  id: …⏎              fields that say nothing here

https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

from collections.abc import Iterator

MAX_EVENT_BYTES = 1024 * 1024


class EventTooLong(ValueError):
    """An event without an end: no engine sends one."""


class EventStream:
    """Bytes in as they come, the data of whole events out."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[str] = []
        self._size = 0

    def feed(self, received: bytes) -> Iterator[str]:
        """The events that `received` completes.

        Raises:
            EventTooLong: an event passes `MAX_EVENT_BYTES`.
        """
        # A carriage return at the very end may be half of a line end, so it waits.
        text = self._rest + received
        keep = text.endswith(b"\r")
        lines = (text[:-1] if keep else text).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._rest = lines.pop() + (b"\r" if keep else b"")
        if len(self._rest) > MAX_EVENT_BYTES:
            raise EventTooLong
        for line in lines:
            if line:
                self._read(line)
            elif self._data:
                yield "\n".join(self._data)
                self._data, self._size = [], 0

    def finish(self) -> Iterator[str]:
        """What a server left without an empty line behind it, as some do with the last event."""
        yield from self.feed(b"\n\n")

    def _read(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            self._size += len(value)
            if self._size > MAX_EVENT_BYTES:
                raise EventTooLong
            self._data.append(value.removeprefix(b" ").decode("utf-8", "replace"))
