"""A mean, or a difference, over seeds and problems: its interval, its test, what it could see.

Letters: S seeds, P problems. Values are ``[S, P]``: what one trained model did on one problem.

Seeds and problems are both drawn, and crossed: every model of an arm meets the same problems. With
m_s the means of seeds and d_p those of problems, the variance of the mean is

    V = var_p(d_p) / P + var_s(m_s) / S − MS_e / (S · P)

where MS_e is the mean square of what neither explains (it is in both of the others, so once too
much). Welch and Satterthwaite give the degrees of freedom, so that few seeds make the interval as
wide as few seeds must (Clark 1973, "The language-as-fixed-effect fallacy", is the same for tests).
With one seed only the first term is there: the interval then says nothing of another seed. Problems
that hang together (variants of one, questions on one text) are ``clusters``: their deviations are
summed before they are squared (Liang and Zeger 1986; for evaluations Miller, arXiv 2411.00640).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from etude.statistics.student import quantile, two_sided

Floats = NDArray[np.float64]

#: The power that :meth:`Effect.detectable` speaks of.
POWER = 0.8


@dataclass(frozen=True)
class Effect:
    """An estimate with its standard error and degrees of freedom.

    ``seeds`` is the least number of seeds behind it; with 1 the error is that over problems alone.
    """

    value: float
    error: float
    df: float
    problems: int
    seeds: int = 1

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the interval that holds the truth with chance ``level``: value ∓ t · error."""
        reach = self.error * quantile((1.0 + level) / 2.0, self.df)
        return self.value - reach, self.value + reach

    @property
    def p(self) -> float:
        """Return the chance of a value as far from 0 where the truth is 0; 1 where nothing moved.

        It is below 0.05 exactly where the interval of 95 % leaves 0 out.
        """
        if self.error == 0.0:
            return 1.0 if self.value == 0.0 else 0.0
        return two_sided(self.value / self.error, self.df)

    def detectable(self, alpha: float = 0.05, power: float = POWER) -> float:
        """Return the true difference that would be told from none with chance ``power``."""
        return self.error * (quantile(1.0 - alpha / 2.0, self.df) + quantile(power, self.df))


def mean_effect(values: Floats, clusters: Sequence[object] | None = None) -> Effect:
    """Return the mean of ``values [S, P]``, or ``[P]`` of one model, over seeds and problems.

    ``clusters`` names each problem's. Raises ValueError with fewer than two problems or clusters.
    """
    return _effect([np.atleast_2d(np.asarray(values, dtype=np.float64))], clusters)


def difference(
    first: Floats,
    second: Floats,
    *,
    matched: bool = False,
    clusters: Sequence[object] | None = None,
) -> Effect:
    """Return ``second − first`` on the same problems, each ``[S, P]`` or ``[P]``.

    Problems are always paired. ``matched`` pairs the seeds too: row s of both has the same seed.
    Raises ValueError with fewer than two problems, or other problems or seeds than can be paired.
    """
    one = np.atleast_2d(np.asarray(first, dtype=np.float64))
    two = np.atleast_2d(np.asarray(second, dtype=np.float64))
    if one.shape[1] != two.shape[1]:
        raise ValueError(f"{one.shape[1]} problems cannot be paired with {two.shape[1]}")
    if not matched:
        return _effect([-one, two], clusters)
    if len(one) != len(two):
        raise ValueError(f"{len(one)} seeds cannot be matched with {len(two)}")
    return _effect([two - one], clusters)


def _effect(arms: Sequence[Floats], clusters: Sequence[object] | None) -> Effect:
    """Return the sum of the arms' means."""
    problems = arms[0].shape[1]
    of_problems = np.sum([arm.mean(axis=0) for arm in arms], axis=0)
    value = float(of_problems.mean())
    variance, df = _over_problems(of_problems, clusters)
    parts = [(variance, df)]
    over_seeds = twice = 0.0
    for arm in arms:
        seeds = len(arm)
        if seeds < 2:
            continue
        means = arm.mean(axis=1)
        own = float(means.var(ddof=1)) / seeds
        left = arm - means[:, None] - arm.mean(axis=0) + arm.mean()
        free = (seeds - 1) * (problems - 1)
        both = float((left**2).sum()) / free / (seeds * problems)
        parts += [(own, seeds - 1.0), (both, float(free))]
        over_seeds, twice = over_seeds + own, twice + both
    # What is in both is at most as much as either; a sum below it is an accident of few seeds.
    total = max(variance + over_seeds - twice, variance, over_seeds)
    seeds = min(len(arm) for arm in arms)
    if total == 0.0:
        return Effect(value, 0.0, df, problems, seeds)
    freedom = total**2 / sum(part**2 / free for part, free in parts)
    least = min(free for part, free in parts if part > 0.0)
    return Effect(value, math.sqrt(total), max(freedom, least), problems, seeds)


def _over_problems(values: Floats, clusters: Sequence[object] | None) -> tuple[float, float]:
    """Return the variance of the mean over problems ``[P]`` and its degrees of freedom."""
    problems = len(values)
    deviations = values - values.mean()
    if clusters is not None:
        if len(clusters) != problems:
            raise ValueError(f"{problems} problems have {len(clusters)} clusters' names")
        numbers = np.unique([str(each) for each in clusters], return_inverse=True)[1]
        deviations = np.bincount(numbers, weights=deviations)
    units = len(deviations)
    if units < 2:
        what = "problems" if clusters is None else "clusters of problems"
        raise ValueError(f"an interval needs two {what} at least; there is {units}")
    variance = units / (units - 1.0) * float((deviations**2).sum()) / problems**2
    return variance, units - 1.0


def share_interval(effect: Effect, level: float = 0.95) -> tuple[float, float]:
    """Return the interval of a mean of shares, each from 0 to 1, which stays between them.

    Wilson's, for as many independent draws as have the standard error of ``effect``: where a model
    is right on nearly all problems or nearly none, value ∓ t · error is too short on one side.
    """
    mean, square = effect.value, effect.error**2
    spread = mean * (1.0 - mean)
    draws = spread / square if square > 0.0 and spread > 0.0 else float(effect.problems)
    t2 = quantile((1.0 + level) / 2.0, effect.df) ** 2
    middle = (mean + t2 / (2.0 * draws)) / (1.0 + t2 / draws)
    reach = math.sqrt(t2 * max(spread, 0.0) / draws + (t2 / (2.0 * draws)) ** 2) / (
        1.0 + t2 / draws
    )
    return max(0.0, middle - reach), min(1.0, middle + reach)
