"""Formulas of whole numbers, + - * / and brackets: their grammar and their value.

The grammar is that of the card game's published scorer (arXiv 2510.00237): left to right, a number
or an opening bracket begins an operand, an operator or a closing bracket follows one. A bracket
that is never closed is legal and has no value.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import TypeVar

_TOKEN = re.compile(r"\d+|[+\-*/()]", re.ASCII)
_RANK = {"+": 1, "-": 1, "*": 2, "/": 2}

#: Digits of a number that could still be a card's.
_DIGITS = 9

Number = TypeVar("Number", Fraction, float)


class NoValue(ValueError):
    """A legal formula without a value; the text completes "the formula …"."""


def tokens(formula: str) -> list[str] | None:
    """Return the tokens of a legal formula, blanks left out, None where it is not legal.

    The empty formula is legal and has none.
    """
    bare = formula.replace(" ", "")
    found = _TOKEN.findall(bare)
    if "".join(found) != bare:
        return None
    depth, operand = 0, False  # whether the last token ends an operand
    for token in found:
        if token == "(" or token.isdigit():
            if operand:
                return None
            depth += token == "("
            operand = token != "("
        else:
            if not operand or (token == ")" and depth == 0):
                return None
            depth -= token == ")"
            operand = token == ")"
    return found


def numbers(found: Sequence[str]) -> list[int] | None:
    """Return the numbers among tokens, sorted; None where one is longer than any card's."""
    digits = [token.lstrip("0") or "0" for token in found if token.isdigit()]
    if any(len(each) > _DIGITS for each in digits):
        return None
    return sorted(map(int, digits))


def exact_value(found: Sequence[str]) -> Fraction:
    """Return the value of a legal formula's tokens as a fraction.

    Raises :class:`NoValue` where it has none: a division by zero, a bracket that is never closed,
    an end without an operand, a number that begins with 0.
    """
    return _value(found, Fraction)


def plain_value(found: Sequence[str]) -> float:
    """Return the value of a legal formula's tokens in doubles, rounded after every operation.

    Raises :class:`NoValue` as :func:`exact_value`.
    """
    return _value(found, float)


def _value(found: Sequence[str], number: type[Number]) -> Number:
    """Return a value by operator precedence, operators of one rank from left to right."""
    values: list[Number] = []
    waiting: list[str] = []
    for token in found:
        if token.isdigit():
            if token[0] == "0" and len(token) > 1:
                raise NoValue(f"has the number {token[:_DIGITS]}, which begins with 0")
            values.append(number(int(token)))
        elif token == "(":
            waiting.append(token)
        elif token == ")":
            while waiting[-1] != "(":
                _apply(values, waiting.pop())
            waiting.pop()
        else:
            while waiting and waiting[-1] != "(" and _RANK[waiting[-1]] >= _RANK[token]:
                _apply(values, waiting.pop())
            waiting.append(token)
    if "(" in waiting:
        raise NoValue("has a bracket that is never closed")
    if not found or not (found[-1].isdigit() or found[-1] == ")"):
        raise NoValue("has no end" if found else "is empty")
    while waiting:
        _apply(values, waiting.pop())
    return values[0]


def _apply(values: list[Number], operator: str) -> None:
    right = values.pop()
    left = values.pop()
    if operator == "/" and right == 0:
        raise NoValue("divides by zero")
    if operator == "+":
        values.append(left + right)
    elif operator == "-":
        values.append(left - right)
    elif operator == "*":
        values.append(left * right)
    else:
        values.append(left / right)
