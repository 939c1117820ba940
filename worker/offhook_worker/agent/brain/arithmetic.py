"""Sums, in words and digits: "what is twelve times seven", "15% of 80", "the square root of 144"."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isqrt

from offhook_worker.agent.brain.interface import Thought
from offhook_worker.agent.brain.numbers import is_exact, read_number, say_number
from offhook_worker.agent.brain.question import Question

_LARGEST = Fraction(10**15)
_LARGEST_POWER = 64
_MOST_TOKENS = 100
"""Of a sum; it also bounds how deep one may be nested."""


class CannotCompute(Exception):
    """The sum has no answer that could be said; the message is what to say instead."""


@dataclass(frozen=True, slots=True)
class _Term:
    value: Fraction
    words: str
    after: int
    """Index of the token after it."""
    is_sum: bool = False
    """More than a number alone."""


@dataclass(frozen=True, slots=True)
class _Operator:
    words: str
    precedence: int
    apply: Callable[[Fraction, Fraction], Fraction]


def _divide(left: Fraction, right: Fraction) -> Fraction:
    if right == 0:
        raise CannotCompute("Nothing can be divided by zero.")
    return left / right


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1 or abs(exponent) > _LARGEST_POWER or abs(base) > 10**6:
        raise CannotCompute("That power is more than I can work out.")
    if base == 0 and exponent < 0:
        raise CannotCompute("Nothing can be divided by zero.")
    return Fraction(base ** int(exponent))


def _root(value: Fraction) -> Fraction:
    if value < 0:
        raise CannotCompute("A negative number has no real square root.")
    scale = 10**12
    return Fraction(isqrt(value.numerator * scale**2 // value.denominator), scale)


_PLUS = _Operator("plus", 1, lambda left, right: left + right)
_MINUS = _Operator("minus", 1, lambda left, right: left - right)
_TIMES = _Operator("times", 2, lambda left, right: left * right)
_OVER = _Operator("divided by", 2, _divide)
_TO_THE = _Operator("to the power of", 4, _power)

# The longest spelling first: "divided by" before "divided".
_INFIX: tuple[tuple[tuple[str, ...], _Operator], ...] = (
    (("to", "the", "power", "of"), _TO_THE),
    (("raised", "to"), _TO_THE),
    (("multiplied", "by"), _TIMES),
    (("divided", "by"), _OVER),
    (("take", "away"), _MINUS),
    (("added", "to"), _PLUS),
    (("plus",), _PLUS),
    (("+",), _PLUS),
    (("minus",), _MINUS),
    (("less",), _MINUS),
    (("-",), _MINUS),
    (("times",), _TIMES),
    (("x",), _TIMES),
    (("*",), _TIMES),
    (("over",), _OVER),
    (("/",), _OVER),
    (("^",), _TO_THE),
)
# "Subtract 5 from 12": the order that is meant, and the word between.
_PREFIX: tuple[tuple[tuple[str, ...], tuple[str, ...], _Operator, bool], ...] = (
    (("add",), ("and", "to"), _PLUS, False),
    (("sum", "of"), ("and",), _PLUS, False),
    (("subtract",), ("from",), _MINUS, True),
    (("difference", "between"), ("and",), _MINUS, False),
    (("multiply",), ("by", "and", "with"), _TIMES, False),
    (("product", "of"), ("and",), _TIMES, False),
    (("divide",), ("by",), _OVER, False),
)
_FRACTIONS = {"half": 2, "third": 3, "quarter": 4, "fifth": 5, "tenth": 10}
_MULTIPLES = {"twice": 2, "double": 2, "triple": 3}


def answer(question: Question) -> list[Thought] | None:
    """The result, if something is to be worked out."""
    tokens = question.tokens[:_MOST_TOKENS]
    try:
        for start in range(len(tokens)):
            term = _read_prefix(tokens, start) or _read_sum(tokens, start, 1)
            if term is not None and term.is_sum:
                return [f"{_capital(term.words)} is {_say(term.value)}."]
    except CannotCompute as reason:
        return [str(reason)]
    return None


def _say(value: Fraction) -> str:
    if abs(value) > _LARGEST:
        raise CannotCompute("That number is too large for me to say.")
    return say_number(value) if is_exact(value) else f"about {say_number(value)}"


def _read_prefix(tokens: Sequence[str], start: int) -> _Term | None:
    for words, between, operator, is_swapped in _PREFIX:
        if _at(tokens, start, words):
            first = _read_sum(tokens, start + len(words), 2)
            if first is None or first.after >= len(tokens) or tokens[first.after] not in between:
                continue
            second = _read_sum(tokens, first.after + 1, 2)
            if second is not None:
                left, right = (second, first) if is_swapped else (first, second)
                return _join(left, operator, right, max(first.after, second.after))
    return None


def _read_sum(tokens: Sequence[str], start: int, precedence: int) -> _Term | None:
    """Precedence climbing: https://en.wikipedia.org/wiki/Operator-precedence_parser."""
    left = _read_term(tokens, start)
    while left is not None:
        found = _read_operator(tokens, left.after)
        if found is None or found[0].precedence < precedence:
            break
        operator, after = found
        right = _read_sum(tokens, after, operator.precedence + 1)
        if right is None:
            break
        left = _join(left, operator, right, right.after)
    return left


def _read_operator(tokens: Sequence[str], at: int) -> tuple[_Operator, int] | None:
    for words, operator in _INFIX:
        if _at(tokens, at, words):
            return operator, at + len(words)
    return None


def _read_term(tokens: Sequence[str], start: int) -> _Term | None:
    """A number, what is made of it ("squared", "percent of"), or a root or fraction of something."""
    if start >= len(tokens):
        return None
    if tokens[start] in ("minus", "-", "negative"):
        inner = _read_term(tokens, start + 1)
        return None if inner is None else _Term(-inner.value, f"minus {inner.words}", inner.after, inner.is_sum)
    if tokens[start] == "(":
        inner = _read_sum(tokens, start + 1, 1)
        has_end = inner is not None and inner.after < len(tokens) and tokens[inner.after] == ")"
        return _Term(inner.value, inner.words, inner.after + 1, inner.is_sum) if inner and has_end else None
    return _read_root(tokens, start) or _read_part(tokens, start) or _read_counted(tokens, start)


def _read_root(tokens: Sequence[str], start: int) -> _Term | None:
    for words in (("square", "root", "of"), ("root", "of")):
        if _at(tokens, start, words):
            inner = _read_term(tokens, start + len(words))
            if inner is not None:
                return _Term(_root(inner.value), f"the square root of {inner.words}", inner.after, is_sum=True)
    return None


def _read_part(tokens: Sequence[str], start: int) -> _Term | None:
    """Such as "half of 30", "a third of 9", "twice 21", "double 8"."""
    at = start + (tokens[start] in ("a", "one") and start + 1 < len(tokens) and tokens[start + 1] in _FRACTIONS)
    if tokens[at] in _FRACTIONS and _at(tokens, at + 1, ("of",)):
        inner = _read_term(tokens, at + 2)
        if inner is not None:
            words = f"{'' if tokens[at] == 'half' else 'a '}{tokens[at]} of {inner.words}"
            return _Term(inner.value / _FRACTIONS[tokens[at]], words, inner.after, is_sum=True)
    if tokens[start] in _MULTIPLES:
        inner = _read_term(tokens, start + 1)
        if inner is not None:
            words = f"{tokens[start]} {inner.words}"
            return _Term(inner.value * _MULTIPLES[tokens[start]], words, inner.after, is_sum=True)
    return None


def _read_counted(tokens: Sequence[str], start: int) -> _Term | None:
    found = read_number(tokens, start)
    if found is None:
        return None
    value, after = found
    words = say_number(value)
    if after < len(tokens) and tokens[after] in ("%", "percent") and _at(tokens, after + 1, ("of",)):
        whole = _read_term(tokens, after + 2)
        if whole is not None:
            return _Term(value * whole.value / 100, f"{words} percent of {whole.words}", whole.after, is_sum=True)
    for word, exponent in (("squared", 2), ("cubed", 3)):
        if _at(tokens, after, (word,)):
            return _Term(_power(value, Fraction(exponent)), f"{words} {word}", after + 1, is_sum=True)
    return _Term(value, words, after)


def _join(left: _Term, operator: _Operator, right: _Term, after: int) -> _Term:
    value = operator.apply(left.value, right.value)
    if max(abs(value.numerator), value.denominator) > _LARGEST**3:
        raise CannotCompute("That number is too large for me to say.")
    return _Term(value, f"{left.words} {operator.words} {right.words}", after, is_sum=True)


def _at(tokens: Sequence[str], at: int, words: tuple[str, ...]) -> bool:
    return tuple(tokens[at : at + len(words)]) == words


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
