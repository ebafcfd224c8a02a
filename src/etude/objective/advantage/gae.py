"""Generalised advantage estimation with a critic (arXiv 1506.02438, 1707.06347).

    δ_t = r_t + γ·V_{t+1} − V_t      A_t = δ_t + γλ·A_{t+1}      returns = A + V

then the advantages (not the returns) are whitened over all response tokens of the batch. Tokens
outside the mask are stepped over: t+1 is the next token that counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from etude.component import SCALE_FREE, Need, component, option
from etude.errors import DataError
from etude.objective.batch import RolloutBatch
from etude.objective.loss import Estimate
from etude.objective.parts import Advantage
from etude.primitives.masked import as_float, keep, whiten
from etude.primitives.returns import generalised_advantages


@component(
    source="arXiv 1506.02438",
    requires=[Need("row:values", why="to compare rewards with")],
    provides=["row:returns", SCALE_FREE],
)
@dataclass(frozen=True)
class GeneralisedAdvantage(Advantage):
    """Exponentially weighted temporal differences of a critic's values."""

    gamma: float = option(1.0, "discount from one token to the next", ge=0, le=1)
    lam: float = option(0.95, "how far differences are carried back (verl 1.0)", ge=0, le=1)
    whiten: bool = option(True, "whiten the advantages over all response tokens of the batch")

    def estimate(self, batch: RolloutBatch, state: Any) -> Estimate:
        """Return the advantages and returns of every token; raises DataError without values."""
        if batch.values is None:
            raise DataError(
                "objective/advantage=gae needs a critic's values, and these rows have none; type "
                "objective/critic=value, or choose an advantage without a critic "
                "(objective/advantage=grpo)"
            )
        mask = as_float(batch.mask)
        rewards = keep(as_float(batch.token_rewards), mask)
        values = keep(as_float(batch.values), mask)
        advantages, returns = generalised_advantages(rewards, values, mask, self.gamma, self.lam)
        if self.whiten:
            advantages = whiten(advantages, mask)
        variance = self._explained(values, returns, mask)
        return Estimate(advantages, returns, {"critic/explained_variance": variance})

    @staticmethod
    def _explained(values: Any, returns: Any, mask: Any) -> float:
        counted = mask > 0
        spread = returns[counted].var(correction=0) if counted.any() else None
        if spread is None or float(spread) == 0.0:
            return 0.0
        return 1.0 - float((returns - values)[counted].var(correction=0) / spread)
