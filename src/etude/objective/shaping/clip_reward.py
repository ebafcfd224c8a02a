"""The outcome kept within bounds before anything is added to it (DeepSpeed-Chat: ±5).

    R ← clip(R, −limit, limit)

Put it before ``kl_penalty`` in ``objective/shaping``: the penalty is then not clipped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from etude.component import ADVANTAGES, ADVANTAGES_BY_VALUE, Need, component, option
from etude.objective.batch import RolloutBatch
from etude.objective.parts import Shaping

_NO_REWARD = "advantages are estimated part by part, and no one reward is there to be clipped"


@component(
    source="arXiv 2308.01320",
    conflicts=[Need(each, why=_NO_REWARD) for each in (ADVANTAGES, ADVANTAGES_BY_VALUE)],
)
@dataclass(frozen=True)
class ClipReward(Shaping):
    """Keep every row's reward within a limit on either side of 0."""

    words: ClassVar[str] = "rewards within ±{limit}"

    limit: float = option(5.0, "largest reward, and largest punishment, of a row", gt=0)

    def shape(self, batch: RolloutBatch, state: Any) -> tuple[RolloutBatch, dict[str, float]]:
        """Return the batch with its outcomes clipped, and the share that was."""
        bounded = batch.rewards.clamp(-self.limit, self.limit)
        share = float((bounded != batch.rewards).double().mean()) if len(bounded) else 0.0
        return batch.add_outcome(bounded - batch.rewards), {"objective/clipped_rewards": share}
