"""Brackets of LaTeX and plain text: whether they balance, how deep they go, what stands outside."""

from __future__ import annotations

import re
from collections.abc import Iterator

_TOKEN = re.compile(r"\\[A-Za-z]+\s?|\\.|[\s\S]")
_PAIR = {")": "(", "]": "[", "}": "{", "\\}": "\\{", "\\rangle": "\\langle"}
_OPEN = frozenset(_PAIR.values())


def tokens(text: str) -> Iterator[tuple[int, str]]:
    """Yield (position, token): a LaTeX command, an escaped character, or one character."""
    for match in _TOKEN.finditer(text):
        yield match.start(), match.group()


def depth(text: str) -> int:
    """Return how deep the brackets of a text nest at most."""
    now = deepest = 0
    for _, token in tokens(text):
        kind = token.strip()
        if kind in _OPEN:
            now += 1
            deepest = max(deepest, now)
        elif kind in _PAIR:
            now -= 1
    return deepest


def balanced(text: str) -> bool:
    """Return whether every bracket is closed; a half-open interval may close with the other kind.

    Braces have to fit exactly.
    """
    stack: list[str] = []
    for _, token in tokens(text):
        kind = token.strip()
        if kind in _OPEN:
            stack.append(kind)
        elif kind in _PAIR:
            if not stack:
                return False
            opened = stack.pop()
            if opened != _PAIR[kind] and {opened, kind} not in ({"(", "]"}, {"[", ")"}):
                return False
    return not stack


def outside(text: str) -> Iterator[tuple[int, str]]:
    """Yield the tokens that stand inside no bracket and in no ``\\begin … \\end``."""
    level = 0
    for position, token in tokens(text):
        kind = token.strip()
        if kind in _OPEN or kind == "\\begin":
            level += 1
        elif kind in _PAIR or kind == "\\end":
            level = max(0, level - 1)
        elif level == 0:
            yield position, token


def split(text: str, separator: str) -> list[str]:
    """Return the pieces between separators (one token each) that stand inside no bracket."""
    pieces, begin = [], 0
    for position, token in outside(text):
        if token.strip() == separator:
            pieces.append(text[begin:position].strip())
            begin = position + len(token)
    return [*pieces, text[begin:].strip()]


def wrapped(text: str) -> tuple[str, str, str] | None:
    """Return (opening bracket, inside, closing bracket) of a text that one pair encloses whole."""
    stack: list[tuple[int, str]] = []
    found = list(tokens(text))
    if len(found) < 2 or found[0][1].strip() not in _OPEN:
        return None
    for place, (position, token) in enumerate(found):
        kind = token.strip()
        if kind in _OPEN:
            stack.append((position, token))
        elif kind in _PAIR:
            if not stack:
                return None
            _, opened = stack.pop()
            if not stack:
                inside = text[len(opened) : position].strip()
                return (opened.strip(), inside, kind) if place == len(found) - 1 else None
    return None
