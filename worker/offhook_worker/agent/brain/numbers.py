"""Numbers in words and digits, both ways."""

import re
from collections.abc import Sequence
from fractions import Fraction

from offhook_worker.agent.brain.question import tokenise

_ONES = {
    word: value
    for value, word in enumerate(
        tokenise(
            "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
            "seventeen eighteen nineteen"
        )
    )
}
_TENS = {
    word: value * 10
    for value, word in enumerate(tokenise("twenty thirty forty fifty sixty seventy eighty ninety"), start=2)
}
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_DIGITS = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")
_LONGEST_DIGITS = 18

Found = tuple[Fraction, int]
"""A number and the index of the token after it."""


def read_number(tokens: Sequence[str], start: int = 0) -> Found | None:
    """The number that begins at `start`: "12", "3.5", "twelve", "two hundred and five thousand", "three point one".

    None where there is none, or one too long to be meant.
    """
    if start >= len(tokens):
        return None
    if _DIGITS.fullmatch(tokens[start]):
        return _read_digits(tokens, start)
    if tokens[start] in ("a", "an") and start + 1 < len(tokens) and tokens[start + 1] in ("hundred", "dozen", *_SCALES):
        tokens = [*tokens[:start], "one", *tokens[start + 1 :]]
    found = _read_words(tokens, start)
    if found is not None and found[1] < len(tokens) and tokens[found[1]] == "point":
        return _read_decimals(tokens, found)
    return found


def _read_digits(tokens: Sequence[str], start: int) -> Found | None:
    digits = tokens[start].replace(",", "")
    if len(digits) > _LONGEST_DIGITS:
        return None
    value, after = Fraction(digits), start + 1
    while after < len(tokens) and tokens[after] in ("hundred", *_SCALES) and value < 10**15:
        value *= _SCALES.get(tokens[after], 100)
        after += 1
    return value, after


def _read_words(tokens: Sequence[str], start: int) -> Found | None:
    total = group = 0
    at = start
    while at < len(tokens):
        word = tokens[at]
        if word in _ONES and group % 10 == 0 and (group % 100 == 0 or (_ONES[word] < 10 and group % 100 >= 20)):
            group += _ONES[word]
        elif word in _TENS and group % 100 == 0:
            group += _TENS[word]
        elif word == "hundred" and 0 < group < 100:
            group *= 100
        elif word == "dozen" and 0 < group < 100:
            group *= 12
        elif word in _SCALES and group and total < _SCALES[word] * 1000:
            total, group = total + group * _SCALES[word], 0
        elif word == "and" and at > start and tokens[at - 1] in ("hundred", *_SCALES) and _goes_on(tokens, at + 1):
            pass
        else:
            break
        at += 1
    return (Fraction(total + group), at) if at > start else None


def _goes_on(tokens: Sequence[str], at: int) -> bool:
    return at < len(tokens) and (tokens[at] in _ONES or tokens[at] in _TENS)


def _read_decimals(tokens: Sequence[str], whole: Found) -> Found:
    value, at = whole
    digits = ""
    at += 1
    while at < len(tokens) and len(digits) < _LONGEST_DIGITS:
        token = tokens[at]
        if token in _ONES and _ONES[token] < 10:
            digits += str(_ONES[token])
        elif token.isdecimal() and token.isascii():
            digits += token
        else:
            break
        at += 1
    if not digits:
        return whole
    return value + Fraction(int(digits), 10 ** len(digits)), at


def say_number(value: Fraction) -> str:
    """`value` as a voice reads it well: "84", "3.14", "minus 7", "2,500,000"; four decimals at most."""
    rounded = round(value, 4)
    sign, size = ("minus ", -rounded) if rounded < 0 else ("", rounded)
    whole, part = divmod(size, 1)
    decimals = f"{int(part * 10_000):04d}".rstrip("0")
    grouped = f"{int(whole):,}" if whole >= 10_000 else str(int(whole))
    return f"{sign}{grouped}.{decimals}" if decimals else f"{sign}{grouped}"


def is_exact(value: Fraction) -> bool:
    """Whether `say_number` says all of it."""
    return round(value, 4) == value
