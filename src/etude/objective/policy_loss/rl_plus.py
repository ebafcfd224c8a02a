"""RL-PLUS (arXiv 2508.00222): demonstrations by multiple importance sampling, rare tokens first.

    own tokens            L = −A·r,     r = exp(ℓ − ℓ°)
    demonstrated tokens   L = −A·v·C,   v = 2p / (p° + ½(p° + 1)),   C = (1 − sg p)^gamma

with p = exp(ℓ) and p° = exp(ℓ°) of the policy at the start of the step, also for demonstrations:
v lies in (0, 4], and dL/dℓ = −A·v·C. ``strategy: no_reshape`` takes v = p and C = 1. Clip, expert
and bounds are those of every mixed loss (``mixed.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from etude.component import component, option
from etude.objective.policy_loss.mixed import MIXED_NEEDS, MIXED_PROVIDES, Mixed
from etude.primitives.off_policy import (
    exploration_weight,
    multiple_importance_ratio,
    probability,
)
from etude.primitives.ratio import token_ratio


@component(source="arXiv 2508.00222", requires=MIXED_NEEDS, provides=MIXED_PROVIDES)
@dataclass(frozen=True)
class RLPlus(Mixed):
    """The policy's own ratio, and for demonstrated tokens a mixture's, raised where unlikely."""

    words: ClassVar[str] = (
        "-advantage × ratio[, clip {clip}], demonstrated tokens by {strategy}, exploration {gamma}"
    )

    reads_old_logprobs: ClassVar[bool] = True

    strategy: str = option(
        "multiple_importance",
        "multiple_importance (with the exploration weight) | no_reshape (the probability alone)",
        choices=("multiple_importance", "no_reshape"),
    )
    gamma: float = option(0.5, "exponent of the exploration weight; 0: none", ge=0)

    def own(self, logprobs: Tensor, old_logprobs: Tensor) -> Tensor:
        """Return the ratio of own tokens, ``[N, T]``."""
        return token_ratio(logprobs, old_logprobs)

    def demonstrated(self, logprobs: Tensor, old_logprobs: Tensor) -> Tensor:
        """Return the ratio of demonstrated tokens, ``[N, T]``."""
        if self.strategy == "no_reshape":
            return probability(logprobs)
        return multiple_importance_ratio(logprobs, old_logprobs)

    def exploration(self, logprobs: Tensor) -> Tensor:
        """Return the exploration weight of demonstrated tokens, ``[N, T]``."""
        if self.strategy == "no_reshape":
            return torch.ones_like(logprobs)
        return exploration_weight(logprobs, self.gamma)
