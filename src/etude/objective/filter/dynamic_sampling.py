"""Dynamic sampling (DAPO, arXiv 2503.14476): groups without signal are replaced by new ones.

A group is kept when its metric is not the same for all rows (population std > 0), or when it has
one row only. Sampling goes on until enough groups are kept; of the surplus the last ones are cut,
or (MiroMind-M1, arXiv 2507.14683) as many at random.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from etude.component import BEFORE_BATCH, OF_BATCH, Need, component, option
from etude.objective.parts import SEVERAL, MetricFilter
from etude.randomness import generator


@component(
    source="arXiv 2503.14476",
    requires=[SEVERAL],
    conflicts=[Need(OF_BATCH, when="metric == 'reward'", why=BEFORE_BATCH)],
)
@dataclass(frozen=True)
class DynamicSampling(MetricFilter):
    """Keep the groups whose answers differ in a metric, and sample until there are enough."""

    words: ClassVar[str] = "groups alike in {metric} are replaced"

    refill: ClassVar[bool] = True

    metric: str = option(
        "accuracy",
        "what is compared within a group: a part of the verifier, or reward (the sum)",
        form="part or reward",
    )
    max_batches: int = option(
        10, "batches sampled for one step before the stage fails; 0: no limit", ge=0
    )

    surplus: str = option(
        "first",
        "which groups are trained on where more were kept than a step takes: first | random",
        choices=("first", "random"),
    )

    def keep(self, groups: Sequence[Sequence[float]]) -> list[bool]:
        """Return for each group whether its values differ or it has a single row."""
        return [len(values) == 1 or len(set(values)) > 1 for values in groups]

    def choose(self, kept: int, wanted: int, *keys: int) -> list[int]:
        """Return which of ``kept`` groups are trained on: the first, or as many at random."""
        if self.surplus == "first" or kept <= wanted:
            return super().choose(kept, wanted, *keys)
        drawn = generator("surplus", *keys).choice(kept, wanted, replace=False)
        return sorted(drawn.tolist())
