"""Expressions that are not alike as text: equal where they are worth the same, by math-verify else.

Both are read by math-verify's grammar. What has a value is compared by value: numbers to thirty
digits, expressions in variables at points that are no special ones. Equations, sets and matrices
are compared by math-verify. It is called without its timeouts, which rest on an alarm signal: the
worker's wall clock ends what does not end.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

from etude.verifier.answers.cost import MOST_DIGITS, too_costly

_CHOOSE = (
    (re.compile(r"\{?\s*(\w+)\s*\\choose\s*(\w+)\s*\}?"), r"\\binom{\1}{\2}"),
    (re.compile(r"(?<![A-Za-z])C\s*\(\s*(\d+)\s*,\s*(\d+)\s*\)"), r"\\binom{\1}{\2}"),
    (re.compile(r"(?:\{\s*\}\s*)?[_^]\s*\{?(\d+)\}?\s*C\s*_\s*\{?(\d+)\}?"), r"\\binom{\1}{\2}"),
    (re.compile(r"(?<![\w}])(\d{1,4})\s*C\s*_?\s*(\d{1,4})(?!\w)"), r"\\binom{\1}{\2}"),
)
#: What math-verify may read without LaTeX marks: a text made of these alone is one expression.
_PLAIN = re.compile(r"[\w\s.,+\-*/^()\[\]{}=<>!|]*")

#: Where expressions in variables are evaluated: on both sides of 0 and of 1, and far from either.
_POINTS = (
    (Fraction(37, 29), Fraction(53, 31), Fraction(19, 47), Fraction(83, 41), Fraction(71, 61)),
    (Fraction(-23, 43), Fraction(17, 13), Fraction(-59, 37), Fraction(67, 73), Fraction(-11, 79)),
    (Fraction(131, 17), Fraction(-97, 11), Fraction(101, 7), Fraction(-113, 19), Fraction(139, 23)),
)


def warm() -> None:
    """Import math-verify and build its grammar."""
    import math_verify

    logging.getLogger("math_verify").setLevel(logging.ERROR)
    math_verify.parse("$1$", parsing_timeout=None)


@lru_cache(maxsize=256)
def read(text: str) -> tuple[Any, ...]:
    """Return a cleaned answer as expressions of sympy; none where it cannot be read as a whole.

    math-verify's fall-backs (a number somewhere in the text, the text itself) are not used: they
    would take a part for the whole. What is too costly to work out is not read.
    """
    from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse

    if not text.strip() or too_costly(text) is not None:
        return ()
    for pattern, written in _CHOOSE:
        text = pattern.sub(written, text)
    for form in (f"${text}$", f"\\boxed{{{text}}}"):
        found = understood(parse(form, [LatexExtractionConfig()], parsing_timeout=None))
        if found:
            return found
    if _PLAIN.fullmatch(text) is None:
        return ()
    return understood(parse(text, [ExprExtractionConfig()], parsing_timeout=None))


def found_in(text: str) -> tuple[Any, ...]:
    """Return what math-verify finds in a text that announces no answer."""
    from math_verify import parse

    return understood(parse(text, parsing_timeout=None))


def understood(found: Sequence[Any]) -> tuple[Any, ...]:
    """Return what math-verify read, without texts that it did not."""
    return tuple(each for each in found if not isinstance(each, str))


def verified(gold: Sequence[Any], given: Sequence[Any], rounding: int) -> bool:
    """Return whether math-verify finds a given expression equal to a right one."""
    from math_verify import verify

    compare: Callable[..., bool] = verify
    return compare(list(gold), list(given), float_rounding=rounding, timeout_seconds=None)


def same_value(given: str, gold: str, usual: Fraction) -> bool:
    """Return whether two cleaned answers are the same expression, equation, set or matrix.

    A value that is written with a decimal point may differ from the right one by ``usual`` times
    that.
    """
    mine = read(given)
    right = read(gold) if mine else ()
    if not right:
        return False
    decimal = re.search(r"\d\.\d|\.\d", given + " " + gold) is not None
    decided = _by_value(mine[0], right[0], usual if decimal else Fraction(0))
    if decided is not None:
        return decided
    return verified([_exact(each) for each in right], [_exact(each) for each in mine], 15)


def _exact(expression: Any) -> Any:
    """Return an expression with decimals as fractions and ``i`` as the imaginary unit."""
    import sympy

    if not isinstance(expression, sympy.Basic):
        return expression
    changes: dict[Any, Any] = {
        each: sympy.Rational(str(each)) for each in expression.atoms(sympy.Float) if each.is_finite
    }
    for symbol in expression.free_symbols:
        if str(symbol) == "i":
            changes[symbol] = sympy.I
    return expression.xreplace(changes) if changes else expression


def _by_value(given: Any, gold: Any, tolerance: Fraction) -> bool | None:
    """Return whether two expressions are worth the same; None where they have no values."""
    import sympy

    pair = (_exact(given), _exact(gold))
    if not all(isinstance(each, sympy.Expr) and not each.is_Matrix for each in pair):
        return None
    names = sorted({str(symbol) for each in pair for symbol in each.free_symbols})
    if len(names) > len(_POINTS[0]):
        return None
    points = _POINTS if names else _POINTS[:1]
    compared = 0
    for point in points:
        values = dict(zip(names, point, strict=False))
        mine, right = _value(pair[0], values), _value(pair[1], values)
        if mine is None or right is None:
            continue
        if not _near(mine, right, tolerance):
            return False
        compared += 1
    return True if compared >= (2 if names else 1) else None


def _value(expression: Any, point: dict[str, Fraction]) -> Any:
    """Return the complex value of an expression at a point, None where it has none."""
    import sympy

    at = {
        symbol: sympy.Rational(point[str(symbol)].numerator, point[str(symbol)].denominator)
        for symbol in expression.free_symbols
    }
    placed = expression.subs(at)
    _refuse_large(placed)
    try:
        value = sympy.N(placed, 30)
    except (TypeError, ValueError, ArithmeticError, AttributeError, NotImplementedError):
        return None
    if not value.is_number or value.has(sympy.nan, sympy.oo, sympy.zoo, sympy.S.NegativeInfinity):
        return None
    return value if value.is_Float or value.is_Integer or value.as_real_imag() else None


def _refuse_large(expression: Any) -> None:
    """Raise OverflowError where a power in an expression has more digits than can be worked out.

    Powers are looked at from the inside, so that each exponent is small enough to be known.
    """
    import sympy

    for each in sympy.postorder_traversal(expression):
        if not isinstance(each, (sympy.Pow, sympy.exp)):
            continue
        exponent = sympy.N(sympy.Abs(each.exp), 5)
        if exponent.is_Float and exponent > MOST_DIGITS:
            raise OverflowError("a power in it is too large to be worked out")


def _near(given: Any, gold: Any, tolerance: Fraction) -> bool:
    import sympy

    size = sympy.Abs(gold)
    allowed = sympy.Rational(tolerance.numerator, tolerance.denominator) * size
    noise = sympy.Max(size, sympy.Abs(given)) * sympy.Rational(1, 10**20)
    return bool(sympy.Abs(given - gold) <= sympy.Max(allowed, noise))


def as_float(text: str) -> float | None:
    """Return the real value of a cleaned answer, None where it has none."""
    import sympy

    found = read(text)
    if not found or not isinstance(found[0], sympy.Expr):
        return None
    if found[0] in (sympy.oo, -sympy.oo):
        return float(found[0])
    value = _value(_exact(found[0]), {}) if not found[0].free_symbols else None
    return float(value) if value is not None and value.is_real else None
