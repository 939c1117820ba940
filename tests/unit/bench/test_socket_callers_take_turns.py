"""When a caller on a WebSocket speaks, how it times answers, and when it gives up."""

from bench.calls.socket_turns import Does, Turns


def test_it_speaks_waits_for_the_answer_and_lets_it_end() -> None:
    turns = Turns(interrupts=False)
    assert turns.tick(0.0) is Does.NOTHING
    assert turns.tick(1.0) is Does.SPEAK
    turns.speaks(1.0, 8.0)
    # Something in the middle of its own turn is no answer to it.
    assert turns.hears(4.0, 0.2) is None
    assert turns.hears(8.5, 1.0) == 0.5
    # More of it comes faster than it is heard: 3 s in all.
    assert turns.hears(8.6, 2.0) is None
    assert turns.tick(11.5) is Does.NOTHING
    assert turns.tick(12.5) is Does.SPEAK


def test_it_interrupts_an_answer_once_and_times_when_it_is_heard() -> None:
    turns = Turns(interrupts=True)
    turns.tick(0.0)
    turns.speaks(1.0, 8.0)
    assert turns.is_heard(1.3) is None
    assert turns.hears(8.5, 5.0) == 0.5
    assert turns.tick(9.4) is Does.NOTHING
    assert turns.tick(9.5) is Does.SPEAK
    turns.speaks(9.5, 16.5)
    assert turns.is_heard(9.75) == 0.25
    assert turns.is_heard(9.8) is None
    assert turns.hears(17.0, 1.0) == 0.5


def test_it_gives_up_ten_seconds_after_it_has_spoken() -> None:
    turns = Turns(interrupts=False)
    turns.tick(0.0)
    turns.speaks(1.0, 8.0)
    turns.tick(17.9)
    assert not turns.gave_up
    turns.tick(18.0)
    assert turns.gave_up
