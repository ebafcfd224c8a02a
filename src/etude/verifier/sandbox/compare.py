"""Whether what a program printed or returned is what was expected."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,6})?", re.ASCII)


def same_output(printed: str, expected: str, tolerance: float = 0.0) -> bool:
    """Return whether two texts are the same output.

    Blanks at the ends of the text and of each line do not count, the number of lines does. Words of
    a line are equal as they stand or as decimal numbers, which may differ by ``tolerance``,
    relative to the expected one where that exceeds 1.
    """
    given, right = _lines(printed), _lines(expected)
    return len(given) == len(right) and all(
        one == other or _same_words(one.split(), other.split(), tolerance)
        for one, other in zip(given, right, strict=True)
    )


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.strip().split("\n")]


def _same_words(given: list[str], right: list[str], tolerance: float) -> bool:
    return len(given) == len(right) and all(
        one == other or _same_number(one, other, tolerance)
        for one, other in zip(given, right, strict=True)
    )


def _same_number(given: str, right: str, tolerance: float) -> bool:
    if not (_NUMBER.fullmatch(given) and _NUMBER.fullmatch(right)):
        return False
    one, other = Decimal(given), Decimal(right)
    return one == other or (tolerance > 0 and _near(float(one), float(other), tolerance))


def _near(given: float, right: float, tolerance: float) -> bool:
    return abs(given - right) <= tolerance * max(1.0, abs(right))


def same_value(form: Any, expected: Any, tolerance: float = 0.0) -> bool:
    """Return whether a value in the form of :mod:`.data` is an expected JSON value.

    A tuple is a list. A bool is no number, nan equals nothing, floats are equal exactly or within
    ``tolerance``, relative to the expected one where that exceeds 1. Mappings have texts as keys.
    """
    if type(form) is dict:
        return _same_tagged(form, expected, tolerance)
    if expected is None or type(expected) in (bool, str):
        return type(form) is type(expected) and bool(form == expected)
    if type(expected) is list:
        return _same_list(form, expected, tolerance)
    return _number(form) and _number(expected) and _equal(form, expected, tolerance)


def _number(value: Any) -> bool:
    return type(value) in (int, float)


def _equal(given: float, right: float, tolerance: float) -> bool:
    if given == right or tolerance == 0:
        return given == right
    try:
        return _near(float(given), float(right), tolerance)
    except OverflowError:
        return False


def _same_list(form: Any, expected: list[Any], tolerance: float) -> bool:
    return (
        type(form) is list
        and len(form) == len(expected)
        and all(same_value(a, b, tolerance) for a, b in zip(form, expected, strict=True))
    )


def _same_tagged(form: dict[str, Any], expected: Any, tolerance: float) -> bool:
    ((tag, held),) = form.items() if len(form) == 1 else (("", None),)
    if tag == "tuple" and type(expected) is list:
        return _same_list(held, expected, tolerance)
    if tag == "int" and type(held) is str and _number(expected):
        return _equal(int(held, 16), expected, tolerance)
    if tag != "dict" or type(expected) is not dict or type(held) is not list:
        return False
    pairs = [each for each in held if type(each) is list and len(each) == 2]
    given = {key: value for key, value in pairs if type(key) is str}
    return (
        len(given) == len(held)
        and given.keys() == expected.keys()
        and all(same_value(given[key], expected[key], tolerance) for key in expected)
    )
