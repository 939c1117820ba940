"""What was said in this conversation: by the caller, by the agent, and the caller's name."""

import re

from offhook_worker.agent.brain.interface import Thought
from offhook_worker.agent.brain.question import Question, clip

_NAME = re.compile(r"\b(?:my name is|call me|my name's)\s+([^\W\d_][\w'-]*)", re.IGNORECASE)


def answer(question: Question) -> list[Thought] | None:
    """Something remembered, if that is asked."""
    if question.has("my name"):
        return _tell_name(question)
    if question.has("did i say", "did i just say", "i just said", "did i ask", "was my question", "my last question"):
        return [_tell_said(question, next(question.said_before(), None), "Before that you said")]
    if question.has("my first question", "first thing i said", "i say first", "did i say first", "i ask first"):
        return [_tell_said(question, next(reversed(list(question.said_before())), None), "First you said")]
    if question.has(
        "did you say", "say that again", "repeat that", "repeat it", "repeat please", "come again", "pardon"
    ):
        last = next(question.answered_before(), None)
        return [clip(last, 600) if last else "I have not said anything yet."]
    if question.has("how many questions"):
        count = sum(1 for _ in question.said_before())
        return [f"This is the {count + 1}{_ordinal(count + 1)} thing you said to me."]
    name = _NAME.search(question.text)
    return [f"Nice to meet you, {name[1].title()}."] if name else None


def _tell_said(question: Question, said: str | None, opening: str) -> str:
    return f"{opening}: {clip(said)}" if said else "This is the first thing you said to me."


def _tell_name(question: Question) -> list[Thought]:
    told = _NAME.search(question.text)
    if told and not question.has("what is my name", "know my name", "is my name"):
        return [f"Nice to meet you, {told[1].title()}."]
    for said in question.said_before():
        if (name := _NAME.search(said)) is not None:
            return [f"You said your name is {name[1].title()}."]
    return ["You have not told me your name yet."]


def _ordinal(number: int) -> str:
    return "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
