"""What an application asks of the agent, as far as rules can honour it: a name, a greeting, something to say."""

import re

_NAME = re.compile(
    r"\b(?i:your name is|you are called|you're called|call yourself|named|you are|you're)\s+([A-Z][a-z]+)\b"
)
_NO_NAMES = frozenset(
    {"A", "An", "The", "Not", "Very", "Here", "Now", "Always", "Helpful", "Friendly", "Talking", "On", "English"}
)
_QUOTED = re.compile(
    r"\b(?:say|saying|greet|greeting|respond|reply|answer|repeat|begin|start|open|with|exactly|phrase|words?)\b"
    r"[^\"\u201c]{0,60}[\"\u201c]([^\"\u201d]{1,400})[\"\u201d]",
    re.IGNORECASE,
)
_SAY = re.compile(
    r"^\W*(?:please\s+)?(?:just\s+|only\s+)?(?:say|repeat|read aloud)"
    r"(?:\s+exactly|\s+only|\s+the following)*\s*:?\s+(.{1,400})$",
    re.IGNORECASE | re.DOTALL,
)
_TELL = re.compile(
    r"^\W*(?:please\s+)?(?:tell|inform|remind)\s+(?:the\s+)?(?:user|caller|customer|them|person)\s+(?:that\s+)?(.{1,400})$",
    re.IGNORECASE | re.DOTALL,
)
_GREET = re.compile(r"\b(?:greet|welcome|introduce|say (?:hello|hi)|hello|start|begin|open)\b", re.IGNORECASE)
_LANGUAGE = re.compile(
    r"\b(?:speak|talk|respond|reply|answer|converse|communicate)\b[^.]{0,40}?\b(?:in\s+)?"
    r"(arabic|chinese|czech|danish|dutch|finnish|french|german|greek|hebrew|hindi|italian|japanese|korean|mandarin|norwegian|"
    r"polish|portuguese|russian|spanish|swedish|turkish|ukrainian)\b",
    re.IGNORECASE,
)
_TO_WHOM = re.compile(r"\s+to\s+(?:the\s+)?(?:user|caller|customer|them)\b", re.IGNORECASE)


def agent_name(instructions: str) -> str | None:
    """The name that the agent is given: "You are Ada, a helpful …"."""
    found = (match[1] for match in _NAME.finditer(instructions))
    return next((name for name in found if name not in _NO_NAMES), None)


def foreign_language(instructions: str) -> str | None:
    """A language other than English that the agent is to speak."""
    match = _LANGUAGE.search(instructions)
    return match[1].capitalize() if match else None


def wanted_words(directive: str) -> str | None:
    """What is to be said, word for word; None if the directive names no words."""
    if (quoted := _QUOTED.search(directive)) is not None:
        return quoted[1].strip()
    for pattern in (_SAY, _TELL):
        if (match := pattern.match(directive)) is not None:
            words = _TO_WHOM.sub("", match[1]).strip().strip('"')
            return words[:1].upper() + words[1:] if words else None
    return None


def is_greeting(directive: str) -> bool:
    """Whether the agent is to greet or introduce itself."""
    return _GREET.search(directive) is not None


def greeting(instructions: str) -> str:
    """How a conversation begins."""
    quoted = _QUOTED.search(instructions)
    if quoted is not None and _GREET.search(instructions[: quoted.start(1)]):
        return quoted[1].strip()
    name = agent_name(instructions)
    return f"Hello, this is {name}. How can I help?" if name else "Hello. How can I help?"
