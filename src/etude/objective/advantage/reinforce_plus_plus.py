"""REINFORCE++ (arXiv 2501.03262): returns over tokens, whitened over the whole batch.

    G_t = Σ_{s≥t} γ^{s−t} r_s        A_t = (G_t − mean) / √(var + 1e-8)

with mean and unbiased variance over all response tokens of the rollout batch. The token rewards
hold the outcome on the last token and usually a KL penalty (``objective/shaping=[kl_penalty]``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from etude.component import SCALE_FREE, component, option
from etude.objective.batch import RolloutBatch
from etude.objective.loss import Estimate
from etude.objective.parts import Advantage
from etude.primitives.masked import as_float, keep, whiten
from etude.primitives.returns import discounted_returns


@component(source="arXiv 2501.03262", provides=["row:returns", SCALE_FREE])
@dataclass(frozen=True)
class WhitenedReturns(Advantage):
    """Discounted token returns, whitened over all response tokens of the batch."""

    gamma: float = option(1.0, "discount from one token to the next", ge=0, le=1)

    def estimate(self, batch: RolloutBatch, state: Any) -> Estimate:
        """Return the advantages and returns of every token."""
        mask = as_float(batch.mask)
        rewards = keep(as_float(batch.token_rewards), mask)
        returns = discounted_returns(rewards, mask, self.gamma)
        return Estimate(whiten(returns, mask), returns=returns)
