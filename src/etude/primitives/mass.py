"""The balance of probability between right and wrong outcomes in one step (BroRL, 2510.01180).

For outcomes with probabilities p, some of them sampled with a reward R_c (right) or R_w (wrong) and
all others without one, one step of the linear surrogate moves the logit of outcome j by

    Δz_j = η/N · p_j (R_j − S)      S = R_c Σ_A p + R_w Σ_B p

(A: sampled right outcomes, B: sampled wrong ones), and with it Q, the probability of a right one:

    ΔQ = η/N · [ (R_c − S)(1 − Q) A₂ + (S − R_w) Q B₂ + S (Q U₋ − (1 − Q) U₊) ]

with A₂, B₂, U₊ and U₋ the sums of p² over A, B, and the right and wrong outcomes that were not
sampled. With R_c ≥ 0 ≥ R_w the first two terms are never negative; the third can be, and vanishes
with the number N of samples: of an outcome of probability p the part (1 − p)^N of p² is expected to
be left.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Mass:
    """The sums that the balance is made of: S, Q, and second moments of the four kinds."""

    baseline: Tensor
    right: Tensor
    sampled_right: Tensor
    sampled_wrong: Tensor
    unsampled_right: Tensor
    unsampled_wrong: Tensor
    reward_right: float = 1.0
    reward_wrong: float = -1.0

    @classmethod
    def of(
        cls,
        probabilities: Tensor,
        correct: Tensor,
        sampled: Tensor,
        reward_right: float = 1.0,
        reward_wrong: float = -1.0,
    ) -> Mass:
        """Return the sums of a distribution ``[V]``; ``correct`` and ``sampled`` are masks."""

        def total(values: Tensor, *where: Tensor) -> Tensor:
            chosen = torch.ones_like(correct)
            for mask in where:
                chosen = chosen & mask
            return (values * chosen).sum()

        square = probabilities.square()
        right, wrong = (
            total(probabilities, correct, sampled),
            total(probabilities, ~correct, sampled),
        )
        return cls(
            baseline=reward_right * right + reward_wrong * wrong,
            right=total(probabilities, correct),
            sampled_right=total(square, correct, sampled),
            sampled_wrong=total(square, ~correct, sampled),
            unsampled_right=total(square, correct, ~sampled),
            unsampled_wrong=total(square, ~correct, ~sampled),
            reward_right=reward_right,
            reward_wrong=reward_wrong,
        )

    def by_sampled_right(self, rate: float = 1.0) -> Tensor:
        """Return what sampled right outcomes add to Q, of a step of ``rate`` (η/N)."""
        return rate * (self.reward_right - self.baseline) * (1.0 - self.right) * self.sampled_right

    def by_sampled_wrong(self, rate: float = 1.0) -> Tensor:
        """Return what sampled wrong outcomes add to Q."""
        return rate * (self.baseline - self.reward_wrong) * self.right * self.sampled_wrong

    def by_unsampled(self, rate: float = 1.0) -> Tensor:
        """Return what the outcomes that were not sampled add to Q, or take from it."""
        moved = self.right * self.unsampled_wrong - (1.0 - self.right) * self.unsampled_right
        return rate * self.baseline * moved

    def change(self, rate: float = 1.0) -> Tensor:
        """Return ΔQ."""
        return self.by_sampled_right(rate) + self.by_sampled_wrong(rate) + self.by_unsampled(rate)


def logit_changes(
    probabilities: Tensor, correct: Tensor, sampled: Tensor, mass: Mass, rate: float
) -> Tensor:
    """Return Δz of every outcome, ``[V]``, of a step of ``rate`` (η/N)."""
    right, wrong = correct.to(probabilities), (~correct).to(probabilities)
    rewards = (mass.reward_right * right + mass.reward_wrong * wrong) * sampled
    return rate * probabilities * (rewards - mass.baseline)


def pass_at(right: Tensor, samples: Tensor | int) -> Tensor:
    """Return the probability that some of N samples is right: 1 − (1 − Q)^N."""
    return 1.0 - (1.0 - right) ** samples


def expected_unsampled(probability: Tensor, samples: Tensor | int) -> Tensor:
    """Return the second moment of outcomes that is expected to be unsampled: p² (1 − p)^N."""
    return probability.square() * (1.0 - probability) ** samples
