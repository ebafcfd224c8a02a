"""Tuples, vectors, matrices and named values, taken apart into their entries."""

from __future__ import annotations

import re
from dataclasses import dataclass

from etude.verifier.answers.brackets import outside, split, wrapped

_MATRIX = re.compile(
    r"\\begin\s*\{((?:[pbB]|small)?matrix|array)\}\s*(?:\{[lcr|\s]*\})?([\s\S]*)\\end\s*\{\1\}"
)
_NAME = re.compile(
    r"(?:\\text\s*\{[^{}]*\}|\\(?:angle|triangle|vec|overline|operatorname|mathbf|m)\b|\\[A-Za-z]+|\s"
    r"|[A-Za-z]|_\s*\{?\s*\w+\s*\}?|\{|\}|')+(?:\(\s*[A-Za-z](?:\s*,\s*[A-Za-z])*\s*\))?\s*"
)
_NAMES = re.compile(r"\(\s*[A-Za-z](?:_\{?\w+\}?)?(?:\s*,\s*[A-Za-z](?:_\{?\w+\}?)?)+\s*\)")
_MEANING = re.compile(
    r"\\(?:frac|sqrt|pi|log|ln|sin|cos|tan|cot|sec|csc|sum|int|binom|infty|cdot|times|pm|mp|begin|exp"
    r"|le|ge|ne|in|cup|cap|setminus|approx|equiv|mathbb|circ)(?![A-Za-z])"
)


@dataclass(frozen=True)
class Sequence:
    """Entries in their order, and the brackets around them."""

    entries: tuple[str, ...]
    opening: str
    closing: str


def sequence(text: str) -> Sequence | None:
    """Return the entries of ``(1,2)``, ``[1,2]`` or ``\\langle 1,2 \\rangle``; None for others."""
    held = wrapped(text)
    if held is None or held[0] not in ("(", "[", "\\langle"):
        return None
    entries = split(held[1], ",")
    if len(entries) == 1 and ";" in held[1]:
        entries = split(held[1], ";")
    if len(entries) < 2 or not all(entries):
        return None
    return Sequence(tuple(entries), held[0], held[2])


def matrix(text: str) -> tuple[tuple[str, ...], ...] | None:
    """Return the rows of a cleaned answer that is a matrix, of LaTeX or ``[[1,2],[3,4]]``."""
    match = _MATRIX.fullmatch(text.strip())
    if match is not None:
        lines = [line for line in _lines(match.group(2)) if line.strip()]
        rows = tuple(tuple(cell.strip() for cell in _cells(line)) for line in lines)
    else:
        outer = wrapped(text)
        if outer is None or outer[0] != "[":
            return None
        held = [wrapped(row) for row in split(outer[1], ",")]
        if len(held) < 1 or any(row is None or row[0] != "[" for row in held):
            return None
        rows = tuple(tuple(split(row[1], ",")) for row in held if row is not None)
    return rows if rows and len({len(row) for row in rows}) == 1 else None


def _lines(text: str) -> list[str]:
    pieces, begin = [], 0
    for position, token in outside(text):
        if token == "\\\\":
            pieces.append(text[begin:position])
            begin = position + 2
    return [*pieces, text[begin:]]


def _cells(text: str) -> list[str]:
    pieces, begin = [], 0
    for position, token in outside(text):
        if token == "&":
            pieces.append(text[begin:position])
            begin = position + 1
    return [*pieces, text[begin:]]


def vector(text: str) -> tuple[str, ...] | None:
    """Return the entries of a matrix of one row or one column."""
    rows = matrix(text)
    if rows is None:
        return None
    if len(rows) == 1:
        return rows[0]
    return tuple(row[0] for row in rows) if len(rows[0]) == 1 else None


def sides(text: str) -> list[str]:
    """Return the sides of a cleaned answer's equals signs that stand outside of brackets."""
    text = re.sub(r"(?<![\\<>!=])==(?!=)", "=", text)
    return split(re.sub(r"\\(?:approx|equiv)(?![A-Za-z])", "=", text), "=")


def is_name(text: str) -> bool:
    """Return whether a side of an equation only names what the other side is worth.

    ``x``, ``f(x)``, ``x_1``, ``\\angle ABC``, ``\\text{area}``, ``(x, y)``.
    """
    text = text.strip()
    if not text or len(text) > 80:
        return False
    if _NAMES.fullmatch(text):
        return True
    return _MEANING.search(text) is None and _NAME.fullmatch(text) is not None


def named(pieces: list[str]) -> dict[str, str] | None:
    """Return name → value of a list of assignments to different single names (``x=1, y=2``)."""
    found: dict[str, str] = {}
    for piece in pieces:
        parts = sides(piece)
        if len(parts) != 2 or not is_name(parts[0]) or not parts[1]:
            return None
        name = re.sub(r"\s+", "", parts[0])
        if name in found or name.startswith("("):
            return None
        found[name] = parts[1]
    return found if len(found) > 1 else None
