"""How suspicious a model's answers to a problem are of training on it: scores, and how they tell.

Self-critique (arXiv 2510.09259): a policy that RL has collapsed onto one path follows it again when
it is asked for another, so the entropies of its tokens look alike. The baselines are those that the
authors compare with. A score that cannot be formed is nan. ``n`` tokens, ``K`` of the likeliest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Detector → 1 where a greater score is more suspicious, −1 where a smaller one is, as the authors
#: count them.
DIRECTIONS = {
    "self_critique": 1,
    "perplexity": -1,
    "min_k": 1,
    "min_k_plus_plus": 1,
    "cdd": 1,
    "perturbed": -1,
    "recall": 1,
}

#: Tokens up to which long answers are compared by edits.
_LONGEST = 100


@dataclass(frozen=True)
class TokenStatistics:
    """What a model thought at each token of an answer, ``[n]`` each.

    ``entropies`` are −Σ p·ln p over the likeliest K tokens, not renormalised, ``means`` Σ p·ln p
    and ``deviations`` the root of Σ p·(ln p)² − mean², at least 1e-6 below it. ``logprobs`` are
    those of the tokens themselves, nan for one that is not among the K.
    """

    entropies: Floats
    means: Floats
    deviations: Floats
    logprobs: Floats

    @property
    def known(self) -> NDArray[np.bool_]:
        """Return which tokens have a log-prob."""
        return ~np.isnan(self.logprobs)


def token_statistics(top: Floats, logprobs: Floats) -> TokenStatistics:
    """Return the statistics of tokens from the log-probs ``[n, K]`` of the likeliest of each."""
    p = np.exp(top)
    means = (p * top).sum(axis=1)
    variances = np.maximum((p * top**2).sum(axis=1) - means**2, 1e-6)
    return TokenStatistics(-means, means, np.sqrt(variances), logprobs)


def alike(first: Sequence[float] | Floats, second: Sequence[float] | Floats) -> float:
    """Return how alike two sequences of entropies are, from 0 to 1; symmetric.

    The cosine of both, padded with zeros at the end, times the shorter length over the longer. 0
    where all entropies of one are 0, nan where one is empty.
    """
    n, m = len(first), len(second)
    if not n or not m:
        return math.nan
    a, b = np.zeros(max(n, m)), np.zeros(max(n, m))
    a[:n], b[:m] = first, second
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / size * min(n, m) / max(n, m) if size else 0.0


def perplexity(statistics: TokenStatistics) -> float:
    """Return exp(−mean log-prob)."""
    known = statistics.logprobs[statistics.known]
    return float(np.exp(-known.mean())) if len(known) else math.nan


def min_k(statistics: TokenStatistics, share: float = 0.2) -> float:
    """Return less the mean of the smallest log-probs, that share of them."""
    known = np.sort(statistics.logprobs[statistics.known])
    k = int(share * len(known))
    return -float(known[:k].mean()) if k else math.nan


def min_k_plus_plus(statistics: TokenStatistics, share: float = 0.2) -> float:
    """Return the mean of the smallest of (log-prob − mean)/deviation, that share of them."""
    there = statistics.known
    scaled = (statistics.logprobs - statistics.means)[there] / statistics.deviations[there]
    k = int(share * len(scaled))
    return float(np.sort(scaled)[:k].mean()) if k else math.nan


def cdd(greedy: Sequence[int], sampled: Sequence[Sequence[int]], alpha: float = 0.05) -> float:
    """Return the share of sampled answers within a few edits of the greedy one.

    At most ``alpha`` times the mean length of all of them, in tokens; two that are both longer than
    100 are compared by their first 100.
    """
    pairs = [_cut(greedy, each) for each in sampled]
    if not pairs:
        return math.nan
    lengths = [len(pairs[0][0]), *(len(other) for _, other in pairs)]
    bound = alpha * sum(lengths) / len(lengths)
    return sum(_edits(*pair) <= bound for pair in pairs) / len(pairs)


def recall(plain: TokenStatistics, perturbed: TokenStatistics) -> float:
    """Return the mean log-prob under the perturbed prompt over that under the plain one."""
    means = [
        float(each.logprobs[each.known].mean()) if each.known.any() else math.nan
        for each in (perturbed, plain)
    ]
    return means[0] / means[1] if means[1] else math.nan


def _cut(first: Sequence[int], second: Sequence[int]) -> tuple[Sequence[int], Sequence[int]]:
    if min(len(first), len(second)) > _LONGEST:
        return first[:_LONGEST], second[:_LONGEST]
    return first, second


def _edits(first: Sequence[int], second: Sequence[int]) -> int:
    """Return the least insertions, deletions and replacements that make one of the other."""
    row = list(range(len(second) + 1))
    for at, token in enumerate(first, 1):
        before, row[0] = row[0], at
        for place, other in enumerate(second, 1):
            before, row[place] = (
                row[place],
                min(row[place] + 1, row[place - 1] + 1, before + (token != other)),
            )
    return row[-1]


@dataclass(frozen=True)
class Detection:
    """How well scores tell members from others; all nan where there is one kind alone.

    ``auc`` is the area under the ROC curve, ties half. ``f1`` is the best over thresholds, ``j``
    the greatest of true positives less false ones; ``accuracy`` and ``f1_at_j`` belong to their
    thresholds. ``tpr_at_5`` is the true positives at the last point below 5 % false ones.
    """

    auc: float
    f1: float = math.nan
    accuracy_at_f1: float = math.nan
    threshold_f1: float = math.nan
    j: float = math.nan
    threshold_j: float = math.nan
    f1_at_j: float = math.nan
    accuracy_at_j: float = math.nan
    tpr_at_5: float = math.nan


def detection(members: Sequence[bool], scores: Sequence[float]) -> Detection:
    """Return how well scores, greater for members, tell them apart; those not finite are dropped.

    As the authors evaluate: f1 has 1e-6 in its denominator, and the curve leaves out points on a
    line between their neighbours.
    """
    values, truth = np.asarray(scores, dtype=np.float64), np.asarray(members, dtype=bool)
    there = np.isfinite(values)
    values, truth = values[there], truth[there]
    positive, negative = int(truth.sum()), int((~truth).sum())
    if not positive or not negative:
        return Detection(math.nan)
    thresholds = np.unique(values)[::-1]
    hits = np.array([(truth & (values >= t)).sum() for t in thresholds], dtype=np.float64)
    alarms = np.array([(~truth & (values >= t)).sum() for t in thresholds], dtype=np.float64)
    recalls, precisions = hits / positive, hits / (hits + alarms)
    f1 = 2 * precisions * recalls / (precisions + recalls + 1e-6)
    best = len(f1) - 1 - int(f1[::-1].argmax())  # of equals the lowest threshold
    tpr, fpr = np.r_[0.0, recalls], np.r_[0.0, alarms / negative]
    corner = np.r_[True, (np.diff(hits, 2) != 0) | (np.diff(alarms, 2) != 0), True][: len(hits)]
    kept = np.r_[0, np.flatnonzero(corner) + 1]
    gain = (tpr - fpr)[kept]
    at = int(kept[int(gain.argmax())])
    above = np.flatnonzero(fpr[kept] >= 0.05)
    before = kept[max(int(above[0]) - 1, 0)]
    threshold = math.inf if at == 0 else float(thresholds[at - 1])
    return Detection(
        auc=float((np.diff(fpr) * (tpr[1:] + tpr[:-1]) / 2).sum()),
        f1=float(f1[best]),
        accuracy_at_f1=_accuracy(truth, values >= thresholds[best]),
        threshold_f1=float(thresholds[best]),
        j=float(gain.max()),
        threshold_j=threshold,
        f1_at_j=_f1(truth, values >= threshold),
        accuracy_at_j=_accuracy(truth, values >= threshold),
        tpr_at_5=float(tpr[before]),
    )


def _accuracy(truth: NDArray[np.bool_], said: NDArray[np.bool_]) -> float:
    return float((truth == said).mean())


def _f1(truth: NDArray[np.bool_], said: NDArray[np.bool_]) -> float:
    wrong = int((truth != said).sum())
    right = int((truth & said).sum())
    return 2 * right / (2 * right + wrong) if right or wrong else 0.0
