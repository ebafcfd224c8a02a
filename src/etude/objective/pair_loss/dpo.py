"""Direct preference optimisation (arXiv 2305.18290).

    Δ = Σ_t (ℓ − ℓʳ) of the chosen answer − Σ_t (ℓ − ℓʳ) of the rejected one
    L = −log σ(β·Δ), mean over pairs

Sums run over response tokens, without a division by length.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor
from torch.nn import functional as F

from etude.component import Need, component, option
from etude.objective.loss import row_metric
from etude.objective.pair_loss.kind import PairLoss
from etude.objective.pairs import PairBatch, PairLosses


@component(
    source="arXiv 2305.18290",
    requires=[Need("model:reference", why="from whose log-probs each answer is measured")],
)
@dataclass(frozen=True)
class DPO(PairLoss):
    """Minus the log-sigmoid of the difference of the two answers' implicit rewards."""

    words: ClassVar[str] = "-log σ of beta × difference of log-ratios (beta {beta})"

    beta: float = option(0.1, "scale of the log-ratios: larger keeps closer to the reference", gt=0)

    def rewards(self, batch: PairBatch) -> tuple[Tensor, Tensor]:
        """Return β·Σ_t (ℓ − ℓʳ) of the chosen and of the rejected answers, both ``[P]``."""
        chosen, rejected = batch.chosen.log_ratios.sum(-1), batch.rejected.log_ratios.sum(-1)
        return self.beta * chosen, self.beta * rejected

    def loss(self, batch: PairBatch, state: Any) -> PairLosses:
        """Return −log σ(β·Δ) of every pair."""
        chosen, rejected = self.rewards(batch)
        every = chosen.new_ones(chosen.shape)
        return PairLosses(
            -F.logsigmoid(chosen - rejected),
            {
                "preference/chosen_reward": row_metric(chosen, every),
                "preference/rejected_reward": row_metric(rejected, every),
                "preference/margin": row_metric(chosen - rejected, every),
                "preference/accuracy": row_metric((chosen > rejected).to(chosen.dtype), every),
            },
        )
