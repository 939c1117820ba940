"""The bounded log of a call's events: which are kept, what a later reader gets, what one is told that is too late."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from transceiver.calls.event_feed import EventFeed, EventLog, numbered
from transceiver.realtime.schema import server_events
from transceiver.realtime.transport import DATA_CHANNEL
from transceiver.session.actions import CloseReason


@given(st.lists(st.integers(1, 40), max_size=60), st.integers(0, 70), st.integers(1, 10), st.integers(10, 200))
def test_the_last_ones_are_kept_within_both_bounds(
    sizes: list[int], after: int, max_events: int, max_bytes: int
) -> None:
    log = EventLog(max_events, max_bytes)
    everything = [(log.append("x" * size), "x" * size) for size in sizes]
    kept = log.after(0)
    assert kept == everything[len(everything) - len(kept) :]
    assert len(kept) <= max_events
    assert sum(len(text) for _, text in kept) <= max_bytes
    assert log.first_kept == (kept[0][0] if kept else len(everything) + 1)
    assert log.after(after) == [each for each in kept if each[0] > after]


class Reader:
    """Implements EventReader and Observer."""

    may_have_events = False
    event_channel_id = None

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, Any], int | None]] = []
        self.over: CloseReason | None = None

    def send_event(self, event: str) -> None:
        raise AssertionError("it has no channel")

    def observe(self, event: str, sequence: int | None) -> None:
        self.got.append((json.loads(event), sequence))

    def call_over(self, reason: CloseReason) -> None:
        self.over = reason


def test_a_reader_that_comes_too_late_is_told_what_it_missed() -> None:
    feed, reader = EventFeed(Reader(), DATA_CHANNEL), Reader()
    for number in range(2000):
        feed.send(server_events.error(kind="server_error", code=f"e{number + 1}", message=""))
    feed.attach(reader, {"type": "session.created"}, 10)
    greeting, gap, *replayed = reader.got
    assert greeting == ({"type": "session.created"}, None)
    assert gap[0]["error"]["code"] == "events_not_kept"
    assert gap[1] is None
    assert [sequence for _, sequence in replayed] == list(range(2000 - len(replayed) + 1, 2001))
    assert all(event["error"]["code"] == f"e{sequence}" for event, sequence in replayed)
    feed.close(CloseReason.HANGUP)
    assert reader.over is CloseReason.HANGUP


def test_one_that_asks_for_nothing_earlier_gets_nothing_earlier() -> None:
    feed, reader = EventFeed(Reader(), DATA_CHANNEL), Reader()
    feed.send({"type": "one"})
    feed.attach(reader, {"type": "session.created"}, None)
    feed.send({"type": "two"})
    feed.detach(reader)
    feed.send({"type": "three"})
    assert reader.got == [({"type": "session.created"}, None), ({"type": "two"}, 2)]


def test_a_number_is_a_field_of_the_event() -> None:
    assert json.loads(numbered('{"type": "x"}', 7)) == {"type": "x", "sequence_number": 7}
