"""How much models can solve with more tries: pass@k over k, and where two curves cross.

Shapes: P problems, n answers to each, K numbers of tries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from etude.evaluation.statistics import bootstrap, pass_at_k
from etude.report.tracks import Floats

#: Resamples behind a band of a coverage curve: it is drawn, not quoted.
_RESAMPLES = 400

#: Up to so many tries every k is looked at.
_EACH = 16


@dataclass(frozen=True)
class Coverage:
    """pass@k of one evaluation: ``mean [K]`` with an interval of 95 % over problems."""

    ks: tuple[int, ...]
    mean: Floats
    low: Floats
    high: Floats
    problems: int

    def at(self, k: int) -> float:
        """Return pass@k of one of its k."""
        return float(self.mean[self.ks.index(k)])


def tries(most: int) -> tuple[int, ...]:
    """Return the k of a curve: each of the first, then four an octave, and the most there are."""
    octaves = (round(2 ** (quarter / 4)) for quarter in range(4 * most.bit_length()))
    return tuple(sorted({*range(1, min(most, _EACH) + 1), *(k for k in octaves if k < most), most}))


def coverage(samples: Sequence[Mapping[str, Any]]) -> Coverage | None:
    """Return the curve of judged answers, None where problems have one answer each or none.

    Problems count that have as many answers as most; an answer is right whose outcome is
    ``correct``.
    """
    by_problem: dict[str, list[bool]] = {}
    for each in samples:
        right = each.get("outcome") == "correct"
        by_problem.setdefault(str(each.get("id")), []).append(right)
    counts = [len(answers) for answers in by_problem.values()]
    if not counts or (most := max(set(counts), key=lambda n: (counts.count(n), n))) < 2:
        return None
    correct = np.array([answers for answers in by_problem.values() if len(answers) == most])
    ks = tries(most)
    values = np.stack([pass_at_k(correct, k) for k in ks], axis=1)
    found = bootstrap(values, _RESAMPLES, np.random.Generator(np.random.Philox(key=0)))
    return Coverage(
        ks,
        np.array([each.value for each in found]),
        np.array([each.low for each in found]),
        np.array([each.high for each in found]),
        len(correct),
    )


def crossing(before: Coverage, after: Coverage) -> str:
    """Return in a sentence where the curve of a trained model meets that of the one before.

    Only the k of both are looked at, so a crossing lies between two of them.
    """
    shared = [k for k in before.ks if k in after.ks]
    gaps = [after.at(k) - before.at(k) for k in shared]
    if not shared:
        return "the two have no number of tries in common"
    most = shared[-1]
    if gaps[0] <= 0:
        ahead = next((k for k, gap in zip(shared, gaps, strict=True) if gap > 0), None)
        if ahead is None:
            return f"not ahead of the model before at any k up to {most}"
        return f"behind or level at k = 1, ahead from k = {ahead}"
    behind = next((at for at, gap in enumerate(gaps) if gap <= 0), None)
    if behind is None:
        return f"ahead at every k up to {most}: the curves do not cross where they were measured"
    return (
        f"ahead up to k = {shared[behind - 1]}, level or behind from k = {shared[behind]}: the "
        "curves cross there"
    )
