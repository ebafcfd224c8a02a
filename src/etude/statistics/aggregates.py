"""Aggregates over runs and tasks as rliable has them (Agarwal et al., arXiv 2108.13264).

Letters: R runs (seeds), M tasks, B resamples. Scores are ``[R, M]``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


def mean(scores: Floats) -> float:
    """Return the mean over tasks of each task's mean over runs."""
    return float(scores.mean(axis=0).mean())


def median(scores: Floats) -> float:
    """Return the median over tasks of each task's mean over runs."""
    return float(np.median(scores.mean(axis=0)))


def interquartile_mean(scores: Floats) -> float:
    """Return the mean of the middle half of all R · M scores.

    At each end ⌊R · M / 4⌋ are cut, whatever their run and task.
    """
    return float(_middle(scores[None])[0])


def _middle(scores: Floats) -> Floats:
    """Return the interquartile mean of each of ``[B, R, M]``."""
    ordered = np.sort(scores.reshape(len(scores), -1), axis=1)
    cut = ordered.shape[1] // 4
    return np.asarray(ordered[:, cut : ordered.shape[1] - cut].mean(axis=1))


def optimality_gap(scores: Floats, gamma: float = 1.0) -> float:
    """Return how much the scores, cut at ``gamma``, lack of it on average; lower is better."""
    return float(gamma - np.minimum(scores, gamma).mean())


def probability_of_improvement(first: Floats, second: Floats) -> float:
    """Return the chance that a run of ``first`` beats one of ``second`` on a task drawn at random.

    On each task it is the share of pairs of runs that ``first`` wins, ties counted half. The runs
    ``[R1, M]`` and ``[R2, M]`` may differ in number; raises ValueError where the tasks do.
    """
    if first.shape[1] != second.shape[1]:
        raise ValueError(f"{first.shape[1]} tasks cannot be compared with {second.shape[1]}")
    pairs = first[:, None, :] - second[None, :, :]
    return float(((pairs > 0) + 0.5 * (pairs == 0)).mean(axis=(0, 1)).mean())


def performance_profile(scores: Floats, thresholds: Sequence[float]) -> list[float]:
    """Return the share of all runs and tasks that score above each threshold."""
    return [float((scores > threshold).mean()) for threshold in thresholds]


def mean_profile(scores: Floats, thresholds: Sequence[float]) -> list[float]:
    """Return the share of tasks whose mean over runs is above each threshold."""
    means = scores.mean(axis=0)
    return [float((means > threshold).mean()) for threshold in thresholds]


@dataclass(frozen=True)
class Draws:
    """Resamples of runs, and of tasks where these are resampled too.

    ``runs`` ``[B, R, M]`` says which run stands at each place: every task has runs of its own, so
    the tasks stay strata. ``tasks`` ``[B, M]`` says which task stands in each column.
    """

    runs: Indices
    tasks: Indices | None = None

    @classmethod
    def make(
        cls,
        shape: tuple[int, int],
        resamples: int,
        random: np.random.Generator,
        of_tasks: bool = False,
    ) -> Draws:
        """Draw for scores of a shape ``(R, M)``."""
        runs, tasks = shape
        drawn = random.integers(runs, size=(resamples, runs, tasks))
        return cls(drawn, random.integers(tasks, size=(resamples, tasks)) if of_tasks else None)

    def of(self, scores: Floats) -> Floats:
        """Return the resampled scores, ``[B, R, M]``."""
        columns = np.arange(scores.shape[1]) if self.tasks is None else self.tasks[:, None, :]
        return np.asarray(scores[self.runs, columns])


def bootstrap_interval(
    statistic: Callable[..., float],
    *scores_and_draws: tuple[Floats, Draws],
    level: float = 0.95,
) -> tuple[float, float]:
    """Return the percentile interval of a statistic of one or two sets of scores.

    Of two, each is resampled by draws of its own. Over three to five runs such an interval is too
    short: see docs/compare.md for how much. It is here because aggregates of many tasks (the
    interquartile mean) have no better one.
    """
    resampled = [draws.of(scores) for scores, draws in scores_and_draws]
    if statistic is interquartile_mean:  # all resamples at once: it is the one that tables show
        values = _middle(resampled[0])
    else:
        values = np.array([statistic(*each) for each in zip(*resampled, strict=True)])
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(values, [tail, 1.0 - tail])
    return float(low), float(high)
