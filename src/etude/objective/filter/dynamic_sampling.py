"""Dynamic sampling (DAPO, arXiv 2503.14476): groups without signal are replaced by new ones.

A group is kept when its metric is not the same for all rows (population std > 0), or when it has
one row only. Sampling goes on until enough groups are kept; the surplus is cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from etude.component import Need, component, option
from etude.objective.parts import GroupFilter


@component(
    source="arXiv 2503.14476",
    requires=[
        Need("part:accuracy", when="metric == 'accuracy'", why="to see which groups are all alike")
    ],
)
@dataclass(frozen=True)
class DynamicSampling(GroupFilter):
    """Keep the groups whose answers differ in a metric, and sample until there are enough."""

    words: ClassVar[str] = "groups alike in {metric} are replaced"

    refill: ClassVar[bool] = True

    metric: str = option(
        "accuracy", "what is compared within a group: a part of the verifier, or reward (the sum)"
    )
    max_batches: int = option(
        10, "batches sampled for one step before the stage fails; 0: no limit", ge=0
    )

    def keep(self, groups: Sequence[Sequence[float]]) -> list[bool]:
        """Return for each group whether its values differ or it has a single row."""
        return [len(values) == 1 or len(set(values)) > 1 for values in groups]
