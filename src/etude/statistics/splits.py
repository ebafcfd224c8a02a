"""Two models on the same problems: what became solvable, and what only became likelier.

Letters: P problems, K answers to each. ``before`` and ``after`` are ``[P, K]`` of right and wrong,
and K may differ. Sources: arXiv 2505.14216 (accuracy and capability), arXiv 2506.13923 (capability
gain against self-distillation).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from etude.evaluation.statistics import pass_at_k, unreached

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Solvable:
    """Which problems a model solved with any of its answers, ``[P]`` each.

    ``gained`` are those that only the second model did, ``lost`` those that only the first did.
    """

    before: Bools
    after: Bools

    @property
    def gained(self) -> Bools:
        """Return the problems that became solvable."""
        return self.after & ~self.before

    @property
    def lost(self) -> Bools:
        """Return the problems that are no more."""
        return self.before & ~self.after


@dataclass(frozen=True)
class Moved:
    """Where a change of accuracy comes from, in problems.

    ``gain``: on problems that none of the first model's answers solved. ``distillation``: on those
    that some did. ``forgetting``: what was right before and is no more.
    """

    gain: float
    distillation: float
    forgetting: float

    @property
    def net(self) -> float:
        """Return gain + distillation − forgetting: the change of the sum of pass rates."""
        return self.gain + self.distillation - self.forgetting


def solvable(before: Bools, after: Bools) -> Solvable:
    """Return which problems each model solved; raises ValueError where they are not the same."""
    _check(before, after)
    return Solvable(~unreached(before), ~unreached(after))


def moved(before: Bools, after: Bools) -> Moved:
    """Return where the change comes from, as expected of one answer to each problem.

    With p and p' the pass rates: Σ p' over the problems not solved before, Σ p' (1 − p) over the
    others, and Σ p (1 − p') over all.
    """
    _check(before, after)
    was, now = before.mean(axis=1), after.mean(axis=1)
    out = unreached(before)
    return Moved(
        float(now[out].sum()),
        float((now * (1.0 - was))[~out].sum()),
        float((was * (1.0 - now)).sum()),
    )


def moved_in_one(before: Bools, after: Bools) -> tuple[Moved, int]:
    """Return the same counted on each problem's first answers, and how many stayed right."""
    _check(before, after)
    was, now = before[:, 0], after[:, 0]
    out = unreached(before)
    solved = now & ~was
    counted = Moved(
        float((solved & out).sum()), float((solved & ~out).sum()), float((was & ~now).sum())
    )
    return counted, int((was & now).sum())


def change_by_solved(before: Bools, after: Bools) -> dict[int, float]:
    """Return the mean change of the pass rate by how many answers of the first model were right.

    The counts are those of the very answers that the change starts from, so chance alone makes it
    positive where few were right and negative where many were: read it beside a second model.
    """
    _check(before, after)
    counts = before.sum(axis=1)
    change = after.mean(axis=1) - before.mean(axis=1)
    return {int(count): float(change[counts == count].mean()) for count in np.unique(counts)}


def coverage(correct: Bools) -> dict[int, float]:
    """Return pass@k for k = 1, 2, 4, … and K itself: the curve of what more tries reach."""
    most = correct.shape[1]
    asked = sorted({*(2**power for power in range(most.bit_length())), most})
    return {k: float(pass_at_k(correct, k).mean()) for k in asked if k <= most}


def crossing(first: dict[int, float], second: dict[int, float]) -> int | None:
    """Return the least k at which ``first`` is as good as ``second``; None where it never is."""
    return next((k for k in sorted(first.keys() & second.keys()) if first[k] >= second[k]), None)


def _check(before: Bools, after: Bools) -> None:
    if len(before) != len(after):
        raise ValueError(f"{len(before)} problems cannot be compared with {len(after)}")
