"""How regularly the scores of a multiple-choice benchmark grow with compute, item by item.

Each step from the log-probability of the right choice to accuracy loses regularity, for the
probability that falls on the particular wrong choices moves as well (arXiv 2406.04391): what is
extrapolated is the log-probability or the probability, never accuracy.

Shapes: C models in order of compute, I items, c choices each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: The scores of one item, from the most to the least regular; greater is better in all.
SCORES = ("log_p_vocab", "p_vocab", "p_choices", "neg_brier", "accuracy")
CORRELATIONS = ("pearson", "spearman", "kendall")


def choice_scores(logprobs: Sequence[float], right: int) -> dict[str, float]:
    """Return the scores of one item from the log-probabilities of its choices in the vocabulary.

    p_choices is the softmax over the choices alone, and the Brier score that of it.
    """
    logs = np.asarray(logprobs, dtype=np.float64)
    shifted = np.exp(logs - logs.max())
    among = shifted / shifted.sum()
    truth = np.zeros(len(logs))
    truth[right] = 1.0
    return {
        "log_p_vocab": float(logs[right]),
        "p_vocab": float(np.exp(logs[right])),
        "p_choices": float(among[right]),
        "neg_brier": -float(((among - truth) ** 2).sum()),
        "accuracy": float(int(logs.argmax()) == right),
    }


@dataclass(frozen=True)
class Summary:
    """The correlations of a score with compute over items, ``[I]``; nan where it never changes.

    ``area`` is that under the share of items above each correlation, from −1 to 1, and
    ``neg_wasserstein`` less the distance to all at 1 or all at −1, whichever is nearer. All are
    None where no item has a correlation; ``undefined`` counts those without.
    """

    per_item: tuple[float, ...]
    mean: float | None
    median: float | None
    area: float | None
    neg_wasserstein: float | None
    undefined: int


def correlations(compute: Sequence[float], scores: Floats) -> dict[str, Summary]:
    """Return how the scores ``[C, I]`` of each item go with compute: Pearson's, against log10 of
    it, Spearman's, and Kendall's tau-b.
    """
    amount = np.asarray(compute, dtype=np.float64)
    logs = np.log10(amount)
    ways: dict[str, Callable[[Floats], float]] = {
        "pearson": lambda y: _pearson(logs, y),
        "spearman": lambda y: _pearson(_ranks(amount), _ranks(y)),
        "kendall": lambda y: _kendall(amount, y),
    }
    return {
        name: _summary([way(scores[:, item]) for item in range(scores.shape[1])])
        for name, way in ways.items()
    }


def _summary(values: list[float]) -> Summary:
    there = np.array([each for each in values if not math.isnan(each)])
    missing = len(values) - len(there)
    if not len(there):
        return Summary(tuple(values), None, None, None, None, missing)
    middle = float(there.mean())
    far = min(float((1 - there).mean()), float((1 + there).mean()))
    return Summary(tuple(values), middle, float(np.median(there)), middle + 1, -far, missing)


def _pearson(x: Floats, y: Floats) -> float:
    if y.max() == y.min() or x.max() == x.min():
        return math.nan
    x, y = x - x.mean(), y - y.mean()
    return float(x @ y / math.sqrt(float(x @ x) * float(y @ y)))


def _ranks(values: Floats) -> Floats:
    """Return ranks from 1, equal values sharing the mean of theirs."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - (count - 1) / 2)[place], dtype=np.float64)


def _kendall(x: Floats, y: Floats) -> float:
    """Return tau-b: pairs in order less pairs against it, over the root of both untied counts."""
    upper = np.triu_indices(len(x), 1)
    signs = [np.sign(np.subtract.outer(each, each))[upper] for each in (x, y)]
    untied = [float((each != 0).sum()) for each in signs]
    if not all(untied):
        return math.nan
    return float((signs[0] * signs[1]).sum() / math.sqrt(untied[0] * untied[1]))
