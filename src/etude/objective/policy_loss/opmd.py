"""OPMD, simplified (Trinity-RFT; re-read in arXiv 2509.24203): REINFORCE divided by 1 + τ.

    L = −A·ℓ / (1 + τ)

No log-probs of the sampling policy are read. τ = 0 is plain REINFORCE.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from etude.component import component, option
from etude.objective.batch import Forward, LossBatch
from etude.objective.loss import TokenLoss
from etude.objective.parts import PolicyLoss


@component(source="arXiv 2509.24203", provides=["loss:tokenwise"])
@dataclass(frozen=True)
class OPMD(PolicyLoss):
    """Minus advantage times log-prob, divided by 1 + tau."""

    words: ClassVar[str] = "-advantage × log-prob ÷ (1 + {tau})"

    tau: float = option(1.0, "strength of the pull to the sampling policy", ge=0)

    def loss(self, batch: LossBatch, forward: Forward) -> TokenLoss:
        """Return the loss of every token."""
        return TokenLoss(-batch.advantages * forward.logprobs / (1.0 + self.tau))
