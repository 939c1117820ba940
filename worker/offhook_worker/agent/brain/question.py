"""What was asked, in the forms that intents look at."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from offhook_worker.agent.brain.interface import Prompt
from offhook_worker.conversation import Message
from offhook_worker.events import Role

LONGEST_CHARACTERS = 2000
"""More is not a question to a brain like this."""

_QUOTES = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u00d7": "*", "\u00f7": "/"})
_TOKEN = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?(?::\d\d)?|[a-z]+(?:'[a-z]+)?|[^\W\d_]+|[-+*/^%()=]", re.IGNORECASE)
_CONTRACTIONS = {
    "what's": ("what", "is"),
    "whats": ("what", "is"),
    "who's": ("who", "is"),
    "where's": ("where", "is"),
    "when's": ("when", "is"),
    "how's": ("how", "is"),
    "that's": ("that", "is"),
    "it's": ("it", "is"),
    "i'm": ("i", "am"),
    "you're": ("you", "are"),
    "i'd": ("i", "would"),
    "don't": ("do", "not"),
    "can't": ("can", "not"),
    "let's": ("let", "us"),
}
_FILLERS = frozenset({"um", "uh", "er", "hmm", "well", "so", "please", "okay", "ok", "hey", "now"})


def tokenise(text: str) -> list[str]:
    """Lower-case words, numbers as written and operators; contractions taken apart."""
    found: list[str] = []
    for match in _TOKEN.finditer(text[:LONGEST_CHARACTERS].translate(_QUOTES).lower()):
        found.extend(_CONTRACTIONS.get(match[0], (match[0].removesuffix("'s"),)))
    return found


@dataclass(frozen=True)
class Question:
    """One thing that the caller said or typed."""

    text: str
    prompt: Prompt

    @cached_property
    def tokens(self) -> list[str]:
        """Its words."""
        return tokenise(self.text)

    @cached_property
    def plain(self) -> str:
        """Its words without fillers, a space between them and around: for phrases."""
        return f" {' '.join(token for token in self.tokens if token not in _FILLERS)} "

    def has(self, *phrases: str) -> bool:
        """Whether one of the phrases occurs, as whole words."""
        return any(f" {phrase} " in self.plain for phrase in phrases)

    def starts(self, *phrases: str) -> bool:
        """Whether it begins with one of the phrases."""
        return any(self.plain.startswith(f" {phrase} ") for phrase in phrases)

    def find(self, pattern: str) -> str | None:
        """The group of a regular expression's first match, or what follows one without a group, as it was written."""
        text = self.text[:LONGEST_CHARACTERS].translate(_QUOTES)
        match = re.search(pattern, text, re.IGNORECASE)
        if match is None:
            return None
        return (match[1] if match.re.groups else text[match.end() :]).strip(" .,!?")

    @cached_property
    def earlier(self) -> list[Message]:
        """The messages before this one, oldest first."""
        messages = [item for item in self.prompt.conversation if isinstance(item, Message) and item.text.strip()]
        if messages and messages[-1].role is Role.USER and messages[-1].text == self.text:
            messages.pop()
        return messages

    def said_before(self) -> Iterator[str]:
        """What the caller said before, latest first."""
        return (message.text for message in reversed(self.earlier) if message.role is Role.USER)

    def answered_before(self) -> Iterator[str]:
        """What was answered before, latest first."""
        return (message.text for message in reversed(self.earlier) if message.role is Role.ASSISTANT)


def clip(text: str, longest: int = 200) -> str:
    """`text` on one line, short enough to be said back."""
    line = " ".join(text.split())
    return line if len(line) <= longest else line[:longest].rsplit(" ", 1)[0] + " and so on"
