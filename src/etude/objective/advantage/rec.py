"""Group-relative REINFORCE (arXiv 2509.24203): the group's mean as baseline, and RED-Drop.

    A_i = R_i − mean_g        with ``std_normalize`` divided by (population std of the group + ε)

``drop: balance`` (RED-Drop): where a group has more negatives (R < mean_g) than positives, the
surplus negatives are dropped: their advantage is 0, and mean and std are those of the rows kept.
Dropped rows stay in every denominator. Which ones are dropped is drawn by the key of each row and
the step, so the order of rows changes nothing. A group of one row keeps its reward.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from etude.component import SCALE_FREE, Need, component, option
from etude.errors import DataError
from etude.objective.advantage.metrics import group_metrics
from etude.objective.batch import RolloutBatch
from etude.objective.loss import Estimate, spread
from etude.objective.parts import SEVERAL, Advantage
from etude.primitives.groups import group_statistics
from etude.randomness import seed_of

#: A reward this little below the mean is at it: the order of a sum must not decide.
_ROUNDING = 1e-9


@component(
    source="arXiv 2509.24203",
    requires=[SEVERAL],
    provides=[Need(SCALE_FREE, when="std_normalize == true")],
)
@dataclass(frozen=True)
class REC(Advantage):
    """Reward minus the group's mean; surplus negatives can be dropped."""

    std_normalize: bool = option(False, "divide by the group's population standard deviation")
    epsilon: float = option(1e-6, "added to the standard deviation", ge=0)
    drop: str = option(
        "none",
        "none | balance (at most as many negatives as positives in a group)",
        choices=("none", "balance"),
    )

    def estimate(self, batch: RolloutBatch, state: Any) -> Estimate:
        """Return the advantages of every token; raises DataError without row seeds to draw by."""
        kept = torch.ones_like(batch.groups, dtype=torch.bool)
        if self.drop == "balance":
            kept = _balanced(batch)
        statistics = group_statistics(batch.rewards[kept], batch.groups[kept], sample=False)
        centred = statistics.centre(batch.rewards[kept])
        if self.std_normalize:
            centred = centred / (statistics.std + self.epsilon)
        advantages = centred.new_zeros(kept.shape)
        advantages[kept] = centred
        metrics = group_metrics(group_statistics(batch.rewards, batch.groups))
        metrics["objective/dropped_rows"] = float((~kept).double().mean())
        return Estimate(spread(advantages, batch.mask), metrics=metrics)


def _balanced(batch: RolloutBatch) -> Tensor:
    """Return which rows are kept, ``[N]``: surplus negatives of each group are not."""
    if batch.row_seeds is None:
        raise DataError(
            "objective.advantage.drop=balance draws which rows it drops and needs a seed for each "
            "row, and these rows have none; type objective.advantage.drop=none"
        )
    statistics = group_statistics(batch.rewards, batch.groups)
    negative = (batch.rewards.double() - statistics.mean < -_ROUNDING) & ~statistics.flat
    negative = negative & (statistics.size > 1)
    kept = torch.ones_like(negative)
    for group in torch.unique(batch.groups[negative]).tolist():
        own = batch.groups == group
        below = (own & negative).nonzero().squeeze(-1).tolist()
        surplus = len(below) - int((own & ~negative).sum())
        if surplus > 0:
            drawn = {
                row: seed_of("red_drop", int(batch.row_seeds[row]), batch.step) for row in below
            }
            kept[sorted(below, key=drawn.__getitem__)[:surplus]] = False
    return kept
