"""Steps of an answer: where they end, what each is worth, and which one ruins it.

A step is worth what can still be reached after it: with success rate p of continuations,

    Q_i = 1 − (1 − p_i)^K        the chance that the best of K continuations is right
    A_i = Q_i − Q_{i−1}          Q_0 belongs to the bare prompt
    pit = first i with the smallest Q_i
"""

from __future__ import annotations

import re
from collections.abc import Sequence

#: What separates the steps of an answer.
SPLITS = {
    "newline": re.compile(r"\n+"),
    "sentence": re.compile(r"(?<=[.!?])\s+"),
    "space": re.compile(r"\s+"),
}


def step_ends(text: str, split: str) -> list[int]:
    """Return where each step of ``text`` ends, as character positions; the last is its length.

    A step holds the separator that follows it, so that it cannot grow when it is continued. A text
    without a separator is one step.
    """
    ends = [found.end() for found in SPLITS[split].finditer(text) if text[: found.start()].strip()]
    if ends and not text[ends[-1] :].strip():
        ends.pop()
    return [*ends, len(text)]


def success_rates(successes: Sequence[Sequence[int]]) -> list[float]:
    """Return the share of each step's continuations that are right."""
    return [sum(each) / len(each) for each in successes]


def best_of_value(rate: float, best_of: int) -> float:
    """Return the chance that one of ``best_of`` continuations is right, each with ``rate``."""
    return 1.0 - (1.0 - rate) ** best_of


def step_advantages(values: Sequence[float], start: float) -> list[float]:
    """Return what each step adds to the value before it; ``start`` is that of the bare prompt."""
    return [after - before for before, after in zip([start, *values], values, strict=False)]


def first_pit(values: Sequence[float]) -> int:
    """Return the position (from 0) of the first step with the smallest value."""
    return min(range(len(values)), key=lambda i: values[i])
