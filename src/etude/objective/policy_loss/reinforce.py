"""REINFORCE (Williams 1992): raise the log-prob of a token by its advantage.

    L = −A·ℓ

With ``importance_weight`` the term is multiplied by the detached ratio exp(ℓ − ℓ°).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from etude.component import component, option
from etude.objective.batch import Forward, LossBatch
from etude.objective.loss import TokenLoss
from etude.objective.parts import PolicyLoss
from etude.primitives.ratio import token_ratio


@component(source="Williams 1992", provides=["loss:tokenwise"])
@dataclass(frozen=True)
class Reinforce(PolicyLoss):
    """Minus advantage times log-prob, without ratio or clip."""

    words: ClassVar[str] = "-advantage × log-prob"

    importance_weight: bool = option(
        False, "multiply by the detached ratio of the current to the sampling policy"
    )

    def loss(self, batch: LossBatch, forward: Forward) -> TokenLoss:
        """Return the loss of every token."""
        loss = -batch.advantages * forward.logprobs
        if self.importance_weight:
            loss = loss * token_ratio(forward.logprobs, batch.old_logprobs).detach()
        return TokenLoss(loss)
