"""Timers and reminders, said when they are due."""

import re
from collections.abc import Sequence
from datetime import timedelta
from fractions import Fraction

from offhook_worker.agent.brain.interface import ForgetReminders, Remind, Reminder, Thought
from offhook_worker.agent.brain.numbers import read_number, say_number
from offhook_worker.agent.brain.question import Question, clip

LONGEST_S = 24 * 3600
MOST = 10

_UNITS = {"second": 1, "seconds": 1, "minute": 60, "minutes": 60, "hour": 3600, "hours": 3600}
_WORDS = ("timer", "timers", "countdown", "alarm", "remind", "reminder", "reminders")


def answer(question: Question) -> list[Thought] | None:
    """A timer set, cancelled or told, if that is asked."""
    if not any(word in question.tokens for word in _WORDS):
        return None
    pending = question.prompt.reminders
    if any(word in question.tokens for word in ("cancel", "stop", "delete", "clear", "forget")):
        return ["I cancelled it.", ForgetReminders()] if pending else ["There is no timer to cancel."]
    seconds = _read_duration(question.tokens)
    if seconds is None:
        return [_tell(question)] if question.has("left", "how long", "how much time", "remaining") else [_HOW]
    if not 1 <= seconds <= LONGEST_S:
        return ["I can time anything from a second to a day."]
    if len(pending) >= MOST:
        return [f"There are {MOST} timers already, and that is all I can keep."]
    return _set(question, seconds)


_HOW = "For how long? Say, for example: set a timer for five minutes."


def _set(question: Question, seconds: Fraction) -> list[Thought]:
    duration = say_duration(seconds)
    due_at = question.prompt.now + timedelta(seconds=float(seconds))
    what = question.find(r"\bremind me\b.*?\b(?:to|that|about)\b") if "remind" in question.tokens else None
    if what:
        # The time may come last: "remind me to call home in ten minutes".
        what = re.sub(r"\s*\b(?:in|after) [\w ]*\b(?:seconds?|minutes?|hours?)$", "", clip(what, 100))
        return [
            f"I will remind you in {duration}.",
            Remind(Reminder(due_at, f"This is your reminder: {_yours(what)}.")),
        ]
    return [f"I set a timer for {duration}.", Remind(Reminder(due_at, f"Your timer for {duration} is up."))]


def _tell(question: Question) -> str:
    if not question.prompt.reminders:
        return "There is no timer."
    left = (min(each.due_at for each in question.prompt.reminders) - question.prompt.now).total_seconds()
    return f"{say_duration(Fraction(max(1, round(left))))} left.".capitalize()


def _read_duration(tokens: Sequence[str]) -> Fraction | None:
    """Such as "ten seconds", "half an hour", "a minute and a half", "1 minute 30 seconds", "two and a half hours"."""
    total, unit = Fraction(0), 0
    at = 0
    while at < len(tokens):
        found = _read_amount(tokens, at)
        if found is not None:
            amount, after = found
            total, unit, at = total + amount * _UNITS[tokens[after]], _UNITS[tokens[after]], after + 1
        elif unit and tuple(tokens[at : at + 3]) == ("and", "a", "half"):
            total, at = total + Fraction(unit, 2), at + 3
        else:
            at += 1
    return total if unit else None


def _read_amount(tokens: Sequence[str], at: int) -> tuple[Fraction, int] | None:
    """A number directly before a unit, and the unit's index."""
    amounts: list[tuple[Fraction, int]] = []
    if found := read_number(tokens, at):
        amounts.append(found)
        if tuple(tokens[found[1] : found[1] + 3]) == ("and", "a", "half"):
            amounts.append((found[0] + Fraction(1, 2), found[1] + 3))
    if tokens[at] in ("a", "an"):
        amounts.append((Fraction(1), at + 1))
    if tuple(tokens[at : at + 2]) in (("half", "an"), ("half", "a")):
        amounts.append((Fraction(1, 2), at + 2))
    return next(((value, after) for value, after in amounts if after < len(tokens) and tokens[after] in _UNITS), None)


def say_duration(seconds: Fraction) -> str:
    """Such as "10 seconds", "1 minute and 30 seconds"."""
    parts = []
    rest = seconds
    for unit, size in (("hour", 3600), ("minute", 60), ("second", 1)):
        count = Fraction(rest // size) if size > 1 else rest
        rest -= count * size
        if count:
            parts.append(f"{say_number(count)} {unit}{'' if count == 1 else 's'}")
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))


def _yours(text: str) -> str:
    return re.sub(r"\bmy\b", "your", text)
