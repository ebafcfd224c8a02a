"""Texts that end in a loop: a piece of them said again and again, word for word."""

from __future__ import annotations

from collections.abc import Sequence


def looping_share(tokens: Sequence[int], copies: int = 2) -> float:
    """Return what share of a text is a loop at its end, 0 where it ends in none.

    The end is a loop where its last ``l`` tokens stand there at least ``copies`` times in a row;
    of all such ``l`` (at most half the text) the largest counts, with every copy there is of it.
    One pass over the tokens. Source: MiroMind-M1 (arXiv 2507.14683), §3.
    """
    repeats = _matches(tokens[::-1])
    for unit in range(len(tokens) // 2, 0, -1):
        found = 1 + repeats[unit] // unit
        if found >= copies:
            return unit * found / len(tokens)
    return 0.0


def _matches(text: Sequence[int]) -> list[int]:
    """Return for each place how long the text from there on is as its beginning (Z-algorithm)."""
    length = len(text)
    found = [length] * length
    start = end = 0  # the match that reaches furthest
    for place in range(1, length):
        known = min(found[place - start], end - place) if place < end else 0
        while place + known < length and text[known] == text[place + known]:
            known += 1
        found[place] = known
        if place + known > end:
            start, end = place, place + known
    return found
