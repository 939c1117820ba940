"""Counting aloud: something long to say, that a caller can interrupt."""

from fractions import Fraction

from offhook_worker.agent.brain.interface import Thought
from offhook_worker.agent.brain.numbers import read_number
from offhook_worker.agent.brain.question import Question

MOST = 100


def answer(question: Question) -> list[Thought] | None:
    """Numbers in a row, if somebody is to count."""
    if "count" not in question.tokens:
        return None
    found: list[Fraction] = []
    at = question.tokens.index("count") + 1
    while at < len(question.tokens):
        number = read_number(question.tokens, at)
        found, at = (found, at + 1) if number is None else ([*found, number[0]], number[1])
    first, last = (1, 10) if not found else (1, int(found[0])) if len(found) == 1 else (int(found[0]), int(found[1]))
    if abs(last - first) >= MOST:
        return [f"That is a lot. I count up to {MOST} numbers at a time."]
    step = 1 if last >= first else -1
    numbers = range(first, last + step, step)
    # Five to a sentence: the first is heard at once, and an interruption loses little.
    rows = [", ".join(map(str, numbers[at : at + 5])) for at in range(0, len(numbers), 5)]
    return [f"{row}. " for row in rows]
