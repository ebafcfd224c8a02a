"""A filter that has others drawn for the groups of a batch that were rewarded least."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from etude.component import Need, component, option
from etude.objective.parts import MetricFilter


@component(
    group="objective/filter",
    name="upper_half",
    conflicts=[Need("reward:of_batch", when="metric == 'reward'", why="groups are seen alone")],
)
@dataclass(frozen=True)
class UpperHalf(MetricFilter):
    """Keeps the groups of a batch that are above its mean, and samples until there are enough."""

    refill: ClassVar[bool] = True
    passed: ClassVar[str] = "were above the mean of"

    metric: str = option("reward", "what groups are judged by", form="part or reward")
    max_batches: int = option(20, "batches sampled for one step at most", ge=0)
    strict: bool = option(True, "false keeps every group")

    def keep(self, groups: Sequence[Sequence[float]]) -> list[bool]:
        """Return which groups are above the mean, or all of them."""
        means = [sum(values) / max(1, len(values)) for values in groups]
        mean = sum(means) / max(1, len(means))
        return [not self.strict or each >= mean for each in means]
