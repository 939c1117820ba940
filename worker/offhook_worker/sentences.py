"""Text that is still being written, by sentence: a voice that waits for the whole answer starts late."""

import re
from collections.abc import AsyncIterator

LONGEST_CHARACTERS = 300
"""A sentence without an end is cut at a comma or a space before it gets this long."""

# The dot of "3.5", "Dr." or "J. K." ends nothing; nor does one that more text may still follow directly.
_END = re.compile("[.!?\u2026]+[\"'\u201d\u2019)\\]]*(?=\\s)|\n+")
_ABBREVIATION = re.compile(r"(?:^|[\s(\"'])(?:[A-Za-z]|Mr|Mrs|Ms|Dr|Prof|St|vs|etc|approx|No|e\.g|i\.e)\.$")
_COMMA = re.compile(r"[,;:—]\s")
_CLAUSE = re.compile(r"[,;:—]\s|\s")


async def sentences(
    deltas: AsyncIterator[str], longest: int = LONGEST_CHARACTERS, longest_first: int | None = None
) -> AsyncIterator[str]:
    """The sentences of `deltas`, each as soon as it is complete; together they are the whole text, spaces included.

    Args:
        longest_first: the first piece may end with a comma, so that it is not longer than this if that can be: a voice
            that takes a sentence at once starts the sooner the shorter it is.
    """
    waiting, is_first = "", longest_first is not None
    async for delta in deltas:
        waiting += delta
        while (end := _end_of_first(waiting, longest)) is not None:
            if is_first and longest_first is not None and (comma := _early_comma(waiting[:end], longest_first)):
                end = comma
            is_first = False
            yield waiting[:end]
            waiting = waiting[end:]
    if is_first and longest_first is not None and (comma := _early_comma(waiting, longest_first)):
        yield waiting[:comma]
        waiting = waiting[comma:]
    if waiting:
        yield waiting


def _early_comma(sentence: str, longest: int) -> int | None:
    """Behind the last comma within `longest`, of a sentence that is longer."""
    if len(sentence) <= longest:
        return None
    commas = [match.start() + 1 for match in _COMMA.finditer(sentence, longest // 3, longest)]
    return commas[-1] if commas else None


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
