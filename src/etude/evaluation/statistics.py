"""pass@k, avg@k, maj@k and their intervals: arithmetic on arrays, nothing else.

Shapes: P problems, n samples of each, B bootstrap resamples, M metrics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A mean over problems with its bootstrap interval."""

    value: float
    low: float
    high: float

    def as_json(self) -> dict[str, float]:
        """Return the three numbers by name."""
        return {"value": self.value, "low": self.low, "high": self.high}


def pass_at_k(correct: NDArray[np.bool_], k: int) -> Floats:
    """Return each problem's chance that one of ``k`` answers is right, unbiased, ``[P]``.

    With c right answers among n it is ``1 − C(n−c, k) / C(n, k)`` (Chen et al., arXiv 2107.03374,
    equation 1). ``correct`` is ``[P, n]``; raises ValueError when k exceeds n.
    """
    n = correct.shape[1]
    _check(k, n)
    wrong = n - correct.sum(axis=1)
    # C(w, k) / C(n, k) as a product of k ratios; a ratio is 0 as soon as fewer than k are wrong.
    ratios = [np.clip(wrong - j, 0, None) / (n - j) for j in range(k)]
    return 1.0 - np.prod(ratios, axis=0)


def worst_at_k(correct: NDArray[np.bool_], k: int) -> Floats:
    """Return each problem's chance that all of ``k`` answers are right, unbiased, ``[P]``.

    It is ``C(c, k) / C(n, k)``; raises ValueError when k exceeds n.
    """
    return 1.0 - pass_at_k(~np.asarray(correct, dtype=bool), k)


def ratio(sums: Floats, counts: Floats, resamples: int, random: np.random.Generator) -> Estimate:
    """Return the sum of ``sums`` over that of ``counts``, with its interval over problems.

    Both are ``[P]`` and resampled together, then divided; resamples that count nothing are left
    out.
    """
    value = float(sums.sum() / counts.sum())
    if resamples == 0:
        return Estimate(value, value, value)
    problems = len(sums)
    drawn = random.multinomial(problems, np.full(problems, 1 / problems), size=resamples)
    total = drawn @ counts
    some = total > 0
    low, high = np.quantile((drawn @ sums)[some] / total[some], [0.025, 0.975])
    return Estimate(value, float(low), float(high))


def unreached(correct: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which problems no answer was right on, ``[P]`` from ``correct [P, n]``.

    The mean over problems of :func:`pass_at_k` with k = n is the capability of arXiv 2505.14216:
    the share of problems that this is false for.
    """
    return np.asarray(correct.sum(axis=1) == 0)


def unreached_bound(n: int, level: float = 0.95) -> float:
    """Return what the chance of a right answer is below where none of ``n`` answers was right.

    With that confidence it is at most 1 − (1 − level)^(1/n). Raises ValueError without answers.
    """
    _check(1, n)
    return float(1.0 - (1.0 - level) ** (1.0 / n))


def majority_at_k(
    answers: NDArray[np.int64],
    correct: NDArray[np.bool_],
    k: int,
    random: np.random.Generator,
    subsets: int = 100,
) -> Floats:
    """Return each problem's chance that the most frequent of ``k`` answers is right, ``[P]``.

    ``answers`` ``[P, n]`` numbers the different answers of a problem, −1 where there is none (it
    has no vote); right answers count as one answer however they are written. Ties are drawn: each
    of t tied answers wins with chance 1/t. For k = n this is exact; for less it is the mean over
    ``subsets`` random choices of k.
    """
    n = answers.shape[1]
    _check(k, n)
    votes = np.where(correct, n, answers)  # one number for every right answer
    if k == n:
        return _winner_right(votes, n)
    total = np.zeros(len(answers))
    for _ in range(subsets):
        chosen = random.permuted(np.tile(np.arange(n), (len(answers), 1)), axis=1)[:, :k]
        total += _winner_right(np.take_along_axis(votes, chosen, axis=1), n)
    return total / subsets


def _winner_right(votes: NDArray[np.int64], right: int) -> Floats:
    """Return the chance that ``right`` wins the vote of each row, ``[P]``."""
    counts = np.stack([(votes == answer).sum(axis=1) for answer in range(right + 1)], axis=1)
    most = counts.max(axis=1, keepdims=True)
    tied = (counts == most).sum(axis=1)
    wins = (counts[:, right] == most[:, 0]) & (most[:, 0] > 0)
    return wins / tied


def bootstrap(
    values: Floats, resamples: int, random: np.random.Generator, level: float = 0.95
) -> list[Estimate]:
    """Return mean and percentile interval of each metric over problems resampled with replacement.

    ``values`` is ``[P, M]``; every metric sees the same resamples. Raises ValueError without
    problems. With ``resamples`` 0 the interval is the mean itself.
    """
    problems = len(values)
    if problems == 0:
        raise ValueError("there is no problem to average over")
    means = values.mean(axis=0)
    if resamples == 0:
        return [Estimate(float(mean), float(mean), float(mean)) for mean in means]
    counts = random.multinomial(problems, np.full(problems, 1 / problems), size=resamples)
    resampled = counts @ values / problems
    tail = (1 - level) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail], axis=0)
    return [
        Estimate(float(mean), float(min(a, mean)), float(max(b, mean)))
        for mean, a, b in zip(means, low, high, strict=True)
    ]


@dataclass(frozen=True)
class Difference:
    """How one run differs from another on the problems both were measured on.

    ``problems`` is how many; ``better`` and ``worse`` how many the second did better or worse on.
    """

    estimate: Estimate
    problems: int
    better: int
    worse: int

    @property
    def clear(self) -> bool:
        """Return whether the interval excludes no difference."""
        return self.estimate.low > 0 or self.estimate.high < 0


def paired_difference(
    first: Mapping[str, float],
    second: Mapping[str, float],
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Difference:
    """Return ``second − first`` over the problems in both, by problem id.

    Pairing removes the spread between easy and hard problems, so the interval is narrower than
    what two separate intervals suggest. Raises ValueError when no problem is in both.
    """
    shared = sorted(first.keys() & second.keys())
    if not shared:
        raise ValueError("the two runs share no problem")
    differences = np.array([second[name] - first[name] for name in shared], dtype=np.float64)
    random = np.random.Generator(np.random.Philox(key=seed))
    estimate = bootstrap(differences[:, None], resamples, random, level)[0]
    return Difference(
        estimate,
        len(shared),
        better=int((differences > 0).sum()),
        worse=int((differences < 0).sum()),
    )


def _check(k: int, n: int) -> None:
    if not 1 <= k <= n:
        raise ValueError(f"k={k} needs at least {k} samples of each problem; there are {n}")
