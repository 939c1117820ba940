"""Text that is still being written, by sentence: a voice that waits for the whole answer starts late."""

import re
from collections.abc import AsyncIterator

LONGEST_CHARACTERS = 300
"""A sentence without an end is cut at a comma or a space before it gets this long."""

# The dot of "3.5", "Dr." or "J. K." ends nothing; nor does one that more text may still follow directly.
_END = re.compile("[.!?\u2026]+[\"'\u201d\u2019)\\]]*(?=\\s)|\n+")
_ABBREVIATION = re.compile(r"(?:^|[\s(\"'])(?:[A-Za-z]|Mr|Mrs|Ms|Dr|Prof|St|vs|etc|approx|No|e\.g|i\.e)\.$")
_CLAUSE = re.compile(r"[,;:—]\s|\s")


async def sentences(deltas: AsyncIterator[str], longest: int = LONGEST_CHARACTERS) -> AsyncIterator[str]:
    """The sentences of `deltas`, each as soon as it is complete; together they are the whole text, spaces included."""
    waiting = ""
    async for delta in deltas:
        waiting += delta
        while (end := _end_of_first(waiting, longest)) is not None:
            yield waiting[:end]
            waiting = waiting[end:]
    if waiting:
        yield waiting


def _end_of_first(text: str, longest: int) -> int | None:
    for match in _END.finditer(text):
        if match.end() > longest:
            break
        if text[: match.start()].strip() and not _ABBREVIATION.search(text[: match.end()]):
            return match.end()
    if len(text) <= longest:
        return None
    clauses = [match.end() for match in _CLAUSE.finditer(text, longest // 2, longest)]
    return clauses[-1] if clauses else longest
