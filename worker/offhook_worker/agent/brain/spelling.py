"""Words letter by letter."""

from offhook_worker.agent.brain.interface import Thought
from offhook_worker.agent.brain.question import Question

_LONGEST_WORD = 40
_ENDINGS = (" for me", " please", " again", " out loud")


def answer(question: Question) -> list[Thought] | None:
    """A word spelled, if one is to be."""
    wanted = question.find(r"\bhow is (.+) spelled\b")
    if wanted is None:
        wanted = question.find(r"\b(?:spell|spelling of)\b(?:\s+(?:the )?(?:word|name)\b)?")
    if wanted is None:
        return None
    word = wanted.strip(" \"'")
    for ending in _ENDINGS:
        word = word[: -len(ending)] if word.lower().endswith(ending) else word
    letters = [letter.upper() for letter in word[:_LONGEST_WORD] if letter.isalnum() or letter == " "]
    if not any(letter != " " for letter in letters):
        return ["Which word shall I spell? Say: spell, and then the word."]
    return [f"{word[:1].upper()}{word[1:]}: {', '.join('space' if letter == ' ' else letter for letter in letters)}."]
