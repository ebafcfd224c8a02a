"""Intervals and inequalities as the same thing: ``(1,2)`` and ``1<x<2``, unions, all numbers."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from etude.verifier.answers.brackets import split, tokens, wrapped

_ENDLESS, _BEGINNING = "\\infty", "-\\infty"
_OR = re.compile(r"\\text\s*\{\s*,?\s*or\s*\}|\\lor(?![a-z])|(?<![A-Za-z\\])or(?![A-Za-z])")
_AND = re.compile(r"\\text\s*\{\s*,?\s*and\s*\}|\\land(?![a-z])|(?<![A-Za-z\\])and(?![A-Za-z])")
_MEMBER = re.compile(r"^\s*[A-Za-z](?:\([a-z]\))?\s*\\in(?![a-z])\s*")
_VARIABLE = re.compile(r"[A-Za-z](?:\s*\(\s*[a-z]\s*\))?|\\(?:theta|lambda|alpha)\s*")
_ALL = re.compile(r"\\mathbb\s*\{?\s*R\s*\}?|\\R")
_RELATIONS = {"<": ("<", True), ">": (">", True), "\\le": ("<", False), "\\ge": (">", False)}


@dataclass(frozen=True)
class Range:
    """An interval: its ends as texts, and whether each is left out."""

    low: str
    high: str
    low_open: bool = True
    high_open: bool = True


def is_relation(text: str) -> bool:
    """Return whether a cleaned answer compares by size or is a union (``<``, ``\\ne``)."""
    return any(
        token.strip() in (*_RELATIONS, "\\ne", "\\cup", "\\setminus") for _, token in tokens(text)
    )


def is_interval(text: str) -> bool:
    """Return whether a cleaned answer can be nothing but intervals: half-open, endless, a union."""
    if is_relation(text) or _ALL.fullmatch(_MEMBER.sub("", text).strip()):
        return True
    held = wrapped(_MEMBER.sub("", text))
    if held is None:
        return _half_open(text) is not None
    return _MEMBER.match(text) is not None or "\\infty" in held[1]


def ranges(text: str) -> list[Range] | None:
    """Return the intervals that a cleaned answer means, None where it means none.

    Read are intervals, unions, sets of points in unions, ``\\mathbb{R}`` without points, and
    inequalities of one variable: ``1<x<2``, ``x \\ge 3``, ``|x|>1``, ``x \\ne 3``, joined by ``or``
    and ``and``.
    """
    text = _MEMBER.sub("", text).strip()
    alternatives = [part for part in _OR.split(text) if part.strip(" ,")]
    if len(alternatives) > 1:
        found = [ranges(part.strip(" ,")) for part in alternatives]
        return None if None in found else [each for part in found if part for each in part]
    if "\\cup" in text:
        found = [_one(_MEMBER.sub("", part)) for part in split(text, "\\cup")]
        return None if None in found else [each for part in found if part for each in part]
    return _one(text)


def _one(text: str) -> list[Range] | None:
    text = text.strip()
    if "\\setminus" in text:
        whole, *points = split(text, "\\setminus")
        held = wrapped(points[0]) if len(points) == 1 else None
        if _ALL.fullmatch(whole) is None or held is None or held[0] != "\\{":
            return None
        return _without(split(held[1], ","))
    if _ALL.fullmatch(text):
        return [Range(_BEGINNING, _ENDLESS)]
    held = wrapped(text)
    if held is not None and held[0] == "\\{":
        return [Range(point, point, False, False) for point in split(held[1], ",") if point]
    ends = _half_open(text) if held is None else held
    if ends is not None and ends[0] in "([" and ends[2] in ")]":
        between = split(ends[1], ",")
        if len(between) != 2 or not all(between):
            return None
        return [Range(_end(between[0]), _end(between[1]), ends[0] == "(", ends[2] == ")")]
    parts = [part for part in re.split(r",", _AND.sub(",", text)) if part.strip()]
    if len(parts) == 2:
        first, second = _inequality(parts[0].strip()), _inequality(parts[1].strip())
        return _both(first, second)
    return _inequality(text)


def _half_open(text: str) -> tuple[str, str, str] | None:
    """Return the brackets and the inside of ``[a, b)``, whose brackets are no pair."""
    text = text.strip()
    if len(text) < 5 or text[0] + text[-1] not in ("[)", "(]"):
        return None
    inner = text[1:-1]
    return (text[0], inner, text[-1]) if len(split(inner, ",")) == 2 else None


def _end(text: str) -> str:
    plain = re.sub(r"\s+", "", text)
    return {"+\\infty": _ENDLESS, "\\infty": _ENDLESS, "-\\infty": _BEGINNING}.get(plain, text)


def _inequality(text: str) -> list[Range] | None:
    sides, signs, begin = [], [], 0
    for position, token in tokens(text):
        if token.strip() in (*_RELATIONS, "\\ne"):
            sides.append(text[begin:position].strip())
            signs.append(token.strip())
            begin = position + len(token)
    sides.append(text[begin:].strip())
    if not signs or not all(sides):
        return None
    if signs == ["\\ne"]:
        return _without([sides[1]]) if _VARIABLE.fullmatch(sides[0]) else None
    if "\\ne" in signs:
        return None
    if len(signs) == 1:
        return _one_sided(sides[0], _RELATIONS[signs[0]], sides[1])
    if len(signs) != 2 or _VARIABLE.fullmatch(sides[1]) is None:
        return None
    (first, low_open), (second, high_open) = _RELATIONS[signs[0]], _RELATIONS[signs[1]]
    if first != second:
        return None
    if first == "<":
        return [Range(_end(sides[0]), _end(sides[2]), low_open, high_open)]
    return [Range(_end(sides[2]), _end(sides[0]), high_open, low_open)]


def _one_sided(left: str, sign: tuple[str, bool], right: str) -> list[Range] | None:
    kind, is_open = sign
    if _VARIABLE.fullmatch(right) is not None and _VARIABLE.fullmatch(left) is None:
        left, right, kind = right, left, "<" if kind == ">" else ">"
    size = re.fullmatch(r"\|\s*([A-Za-z])\s*\||\\l?vert\s*([A-Za-z])\s*\\r?vert", left)
    if size is not None:
        minus = f"-({right})"
        if kind == "<":
            return [Range(minus, right, is_open, is_open)]
        return [Range(_BEGINNING, minus, True, is_open), Range(right, _ENDLESS, is_open, True)]
    if _VARIABLE.fullmatch(left) is None or re.search(r"[<>=]", right):
        return None
    if kind == "<":
        return [Range(_BEGINNING, _end(right), True, is_open)]
    return [Range(_end(right), _ENDLESS, is_open, True)]


def _both(first: list[Range] | None, second: list[Range] | None) -> list[Range] | None:
    """Return what lies in two half-lines at once (``x > 1, x < 2``)."""
    if not first or not second or len(first) != 1 or len(second) != 1:
        return None
    low, high = (first[0], second[0]) if first[0].high == _ENDLESS else (second[0], first[0])
    if low.high != _ENDLESS or high.low != _BEGINNING:
        return None
    return [Range(low.low, high.high, low.low_open, high.high_open)]


def _without(points: list[str]) -> list[Range]:
    ends = [_BEGINNING, *points, _ENDLESS]
    return [Range(low, high) for low, high in pairwise(ends)]


def same_ranges(
    given: list[Range],
    gold: list[Range],
    same: Callable[[str, str], bool],
    value: Callable[[str], float | None],
) -> bool:
    """Return whether two lists of intervals are the same set, whatever their order.

    ``same`` compares two ends, ``value`` gives the place of one on the line.
    """
    mine, right = _ordered(given, value), _ordered(gold, value)
    if len(mine) != len(right):
        return False
    return all(
        (a.low_open, a.high_open) == (b.low_open, b.high_open)
        and _same_end(a.low, b.low, same)
        and _same_end(a.high, b.high, same)
        for a, b in zip(mine, right, strict=True)
    )


def _same_end(given: str, gold: str, same: Callable[[str, str], bool]) -> bool:
    ends = (_BEGINNING, _ENDLESS)
    return given == gold if given in ends or gold in ends else same(given, gold)


def _ordered(found: list[Range], value: Callable[[str], float | None]) -> list[Range]:
    """Return intervals from left to right, and those that touch as one."""
    ends = {_BEGINNING: float("-inf"), _ENDLESS: float("inf")}
    placed = []
    for each in found:
        low = ends.get(each.low, value(each.low))
        high = ends.get(each.high, value(each.high))
        if low is None or high is None:
            return found
        placed.append((low, high, each))
    placed.sort(key=lambda place: place[:2])
    joined: list[tuple[float, Range]] = []
    for low, high, each in placed:
        before = joined[-1] if joined else None
        touches = before is not None and (
            low < before[0] or (low == before[0] and not (each.low_open and before[1].high_open))
        )
        if before is None or not touches:
            joined.append((high, each))
            continue
        last = before[1]
        further = each if high > before[0] else last
        held_open = last.high_open and each.high_open if high == before[0] else further.high_open
        union = Range(last.low, further.high, last.low_open, held_open)
        joined[-1] = (max(high, before[0]), union)
    return [each for _, each in joined]
