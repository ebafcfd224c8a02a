"""Votes among written answers, and the best and worst of answers drawn with replacement.

As verl reports them; pass@k and maj@k of :mod:`etude.evaluation.statistics` are the unbiased ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]

#: What a drawn subset of answers is worth: (written answers, their values) → value.
Score = Callable[[Sequence[str], Sequence[float]], float]


def plurality(answers: Sequence[str], values: Sequence[float]) -> float:
    """Return the value of the answer given most often, that of its first occurrence.

    Of several given as often the one that comes first wins; an empty answer is one like any other.
    Raises ValueError without answers.
    """
    if not answers:
        raise ValueError("there is no answer to vote for")
    counts: dict[str, int] = {}
    for answer in answers:
        counts[answer] = counts.get(answer, 0) + 1
    winner = max(counts, key=lambda answer: counts[answer])
    return float(values[list(answers).index(winner)])


def best(answers: Sequence[str], values: Sequence[float]) -> float:
    """Return the greatest value."""
    return float(max(values))


def worst(answers: Sequence[str], values: Sequence[float]) -> float:
    """Return the least value."""
    return float(min(values))


def over_draws(
    score: Score, answers: Sequence[str], values: Sequence[float], drawn: Indices
) -> tuple[float, float]:
    """Return mean and spread (of the population) of a score over drawn subsets.

    ``drawn`` ``[B, k]`` are places among the answers. They may repeat, so the best of k is below
    pass@k on average: the two are not the same measure.
    """
    found = [score([answers[i] for i in row], [values[i] for i in row]) for row in drawn.tolist()]
    return float(np.mean(found)), float(np.std(found))
