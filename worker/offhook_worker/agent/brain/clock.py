"""The time, here and elsewhere, and the date."""

from datetime import datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from offhook_worker.agent.brain.interface import Thought
from offhook_worker.agent.brain.question import Question

_ORDINALS = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd", 31: "st"}
_DAYS = {"today": 0, "tomorrow": 1, "yesterday": -1}


def answer(question: Question) -> list[Thought] | None:
    """The time or the date, if that is asked."""
    now = question.prompt.now
    if question.has("what time", "the time", "current time", "time is it", "time it is"):
        place = question.find(r"\btime\b.*?\b(?:in|at)\b")
        return [_time_in(place, now) if place else f"It is {say_time(now)}."]
    if question.has("what day", "which day", "what date", "the date", "what is today", "what is tomorrow", "the day"):
        name, days = next(((name, days) for name, days in _DAYS.items() if name in question.tokens), ("today", 0))
        verb = {0: "is", 1: "will be", -1: "was"}[days]
        return [f"{name.capitalize()} {verb} {say_date(now + timedelta(days=days))}."]
    if question.has("what year", "which year"):
        return [f"It is {now.year}."]
    if question.has("what month", "which month"):
        return [f"It is {now:%B}."]
    return None


def say_time(moment: datetime) -> str:
    """Such as "3:42 PM"."""
    hour = moment.hour % 12 or 12
    half = "AM" if moment.hour < 12 else "PM"
    return f"{hour} {half}" if moment.minute == 0 else f"{hour}:{moment.minute:02d} {half}"


def say_date(moment: datetime) -> str:
    """Such as "Tuesday, November 24th"."""
    return f"{moment:%A}, {moment:%B} {moment.day}{_ORDINALS.get(moment.day, 'th')}"


def _time_in(place: str, now: datetime) -> str:
    words = place.lower().replace("right now", "").replace(" now", "").strip(" ?.")
    zone = _zones().get(words)
    if zone is None:
        return f"I do not know the time zone of {place}. Here it is {say_time(now)}."
    return f"In {words.title()} it is {say_time(now.astimezone(ZoneInfo(zone)))}."


@cache
def _zones() -> dict[str, str]:
    """Cities of the time zone database, in lower case; empty where the machine has none."""
    named = (zone for zone in sorted(available_timezones()) if "/" in zone and not zone.startswith("Etc/"))
    return {zone.rsplit("/", 1)[1].replace("_", " ").lower(): zone for zone in named}
