"""Where a change of accuracy comes from, problem by problem, so that it has an interval.

The sums over problems are those of :func:`etude.statistics.splits.moved`. Source: arXiv 2506.13923.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: Metrics of an evaluation with a base, shares of problems: gained at one try where none of the
#: base's answers was right, and where some were; lost at one try; and what became solvable at all,
#: or ceased to be.
FLOWS = ("capability_gain", "self_distillation", "forgotten", "gained", "lost")


def flows(
    before: Sequence[Sequence[bool]], after: NDArray[np.bool_]
) -> dict[str, NDArray[np.float64]]:
    """Return what each problem adds to each of :data:`FLOWS`, ``[P]``.

    ``before`` holds which of the base's answers to each problem were right, of which there may be
    different numbers, ``after`` ``[P, n]`` those of the model. The first two less the third are the
    change of the pass rate.
    """
    was = np.array([sum(right) / len(right) for right in before])
    now = after.mean(axis=1)
    reached, reaches = was > 0, now > 0
    return {
        "capability_gain": np.where(reached, 0.0, now),
        "self_distillation": np.where(reached, now * (1 - was), 0.0),
        "forgotten": was * (1 - now),
        "gained": (~reached & reaches).astype(np.float64),
        "lost": (reached & ~reaches).astype(np.float64),
    }
