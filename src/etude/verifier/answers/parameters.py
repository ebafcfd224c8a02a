"""General solutions: an integer parameter or a constant of integration may have any name."""

from __future__ import annotations

import re
from typing import Any

from etude.verifier.answers.kinds import pieces
from etude.verifier.answers.symbolic import read

_INTEGER = re.compile(
    r"\(?\s*([a-zA-Z])\s*\\in\s*(?:\\mathbb\s*\{?\s*Z\s*\}?|\\Z|Z)\s*\)?"
    r"|\(?\s*(?:\\text\s*\{[^{}]*\})?\s*([a-zA-Z])\s*(?:\\text\s*\{[^{}]*integer[^{}]*\})\s*\)?"
    r"|(?:where|for|with)\s+(?:any\s+integer\s+)?([a-zA-Z])\s*(?:is\s+an\s+integer)?"
)
_CONSTANTS = frozenset({"a", "c", "d", "k", "c_1", "c_{1}"})


def families(text: str) -> tuple[list[str], str] | None:
    """Return (values, parameter) of a general solution such as ``x = a + n\\pi, n\\in\\mathbb{Z}``.

    None where no integer parameter is declared.
    """
    match = _INTEGER.search(text)
    if match is None or not match.start():
        return None
    parameter = next(group for group in match.groups() if group)
    rest = (text[: match.start()] + text[match.end() :]).strip(" ,;.()")
    rest = re.sub(r"\\text\s*\{\s*,?\s*(?:where|for|with|and)?\s*\}\s*$", "", rest).strip(" ,;")
    values = [piece.rpartition("=")[2].strip() for piece in pieces(rest)]
    return (values, parameter) if all(values) else None


def same_families(given: tuple[list[str], str], gold: tuple[list[str], str]) -> bool:
    """Return whether two general solutions have the same values for all integers.

    Each value has to be linear in its parameter. Two are the same where the steps are, up to their
    sign, and the offset is a whole number of steps.
    """
    if max(len(given[0]), len(gold[0])) > 16:
        return False
    mine = [each for each in (_linear(value, given[1]) for value in given[0]) if each is not None]
    right = [each for each in (_linear(value, gold[1]) for value in gold[0]) if each is not None]
    if len(mine) < len(given[0]) or len(right) < len(gold[0]):
        return False
    return all(any(_shifted(a, b) for b in right) for a in mine) and all(
        any(_shifted(a, b) for a in mine) for b in right
    )


def _linear(text: str, parameter: str) -> tuple[Any, Any] | None:
    import sympy

    found = read(text)
    if not found or not isinstance(found[0], sympy.Expr):
        return None
    symbol = next((each for each in found[0].free_symbols if str(each) == parameter), None)
    if symbol is None:
        return None
    offset = found[0].subs(symbol, 0)
    step = sympy.expand(found[0] - offset).coeff(symbol, 1)
    if step == 0 or sympy.expand(found[0] - offset - step * symbol) != 0:
        return None
    return offset, step


def _shifted(given: tuple[Any, Any], gold: tuple[Any, Any]) -> bool:
    import sympy

    if sympy.simplify(given[1] ** 2 - gold[1] ** 2) != 0:
        return False
    return bool(sympy.simplify((given[0] - gold[0]) / gold[1]).is_integer)


def renamed_constant(given: str, gold: str) -> str | None:
    """Return a given expression with its constant of integration named as in the right one.

    None where they do not differ by the name of one constant.
    """
    import sympy

    mine = read(given)
    right = read(gold) if mine else ()
    if not right or not isinstance(mine[0], sympy.Basic):
        return None
    ours = {str(symbol) for symbol in mine[0].free_symbols}
    theirs = {str(symbol) for symbol in getattr(right[0], "free_symbols", ())}
    only_mine, only_right = ours - theirs, theirs - ours
    if len(only_mine) != 1 or len(only_right) != 1 or not only_mine | only_right <= _CONSTANTS:
        return None
    # The grammar reads letters in small; a constant of integration is written as a capital.
    old = re.compile(rf"(?<![A-Za-z\\]){re.escape(only_mine.pop())}(?![A-Za-z])", re.IGNORECASE)
    new = re.search(
        rf"(?<![A-Za-z\\]){re.escape(only_right.pop())}(?![A-Za-z])", gold, re.IGNORECASE
    )
    found = old.search(given)
    if found is None or new is None or not (found.group() + new.group())[0].isupper():
        return None
    return old.sub(lambda _: new.group(), given)
