"""Trust-GRPO (SophiaVL-R1, arXiv 2505.17018): a thinking reward, as far as it can be trusted.

    γ = 1 where right answers think better than wrong ones (μ_c ≥ μ_w), else exp(μ_c − μ_w)
    R = outcome + γ · α · exp(−t / T) · thinking

with one γ a group of answers to a prompt, and 1 where all are right or all wrong. ``code`` is what
the authors' code does: groups of nearly equal outcomes and answers of low outcome get no thinking
reward (a judge is never asked about them), and T is 500.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from etude.component import component, option
from etude.reward_weighting.interface import Combined, RewardWeighting, Tools


@component(source="arXiv 2505.17018")
@dataclass(frozen=True)
class Trust(RewardWeighting):
    """An outcome and a thinking reward that counts less where wrong answers get more of it."""

    example: ClassVar[str] = "objective=grpo reward_weighting=trust verifier.thought=true"

    outcome: str = option("accuracy", "the part that says whether an answer is right", form="part")
    thinking: str = option("thought", "the part that says how well it was thought", form="part")
    alpha: float = option(0.3, "α, weight of the thinking reward at the start", ge=0)
    steps: int | None = option(
        None, "T, steps in which it falls to 1/e; null: the stage's (their code: 500)", ge=1
    )
    right: float = option(0.5, "an outcome from here on is right")
    variant: str = option(
        "paper",
        "paper: every answer has its thinking reward | code: those do not whose outcome is low, or "
        "whose group's outcomes are all high or all low",
        choices=("paper", "code"),
    )
    asked_from: float = option(
        0.2, "variant code: the least outcome of an answer that is asked about"
    )
    all_wrong: float = option(0.1, "variant code: a group at or below it is not asked about")
    all_right: float = option(0.9, "variant code: a group at or above it is not asked about")

    def combine(
        self,
        parts: Mapping[str, Tensor],
        groups: Tensor,
        applies: Mapping[str, Tensor],
        tools: Tools,
    ) -> Combined:
        """Return the rewards ``[N]`` of outcomes and thinking rewards."""
        outcome, thinking = parts[self.outcome].double(), parts[self.thinking].double()
        thinking = torch.where(
            applies[self.thinking] & self.asked(outcome, groups),
            thinking,
            torch.zeros_like(thinking),
        )
        trust = self.trust(outcome, thinking, groups)
        factor = self.alpha * math.exp(-tools.step / (self.steps or tools.steps))
        rewards = outcome + trust * factor * thinking
        metrics = {
            "trust": float(trust.mean()) if len(trust) else 1.0,
            "distrusted": float((trust < 1).double().mean()) if len(trust) else 0.0,
            "factor": factor,
        }
        return Combined(rewards.to(parts[self.outcome]), metrics=metrics)

    def asked(self, outcome: Tensor, groups: Tensor) -> Tensor:
        """Return which answers have a thinking reward, boolean ``[N]``: all, as in the paper."""
        if self.variant == "paper":
            return torch.ones(len(outcome), dtype=torch.bool)
        high = _by_group(outcome >= self.all_right, groups)
        low = _by_group(outcome <= self.all_wrong, groups)
        return (outcome >= self.asked_from) & ~high & ~low

    def trust(self, outcome: Tensor, thinking: Tensor, groups: Tensor) -> Tensor:
        """Return γ of each row's group, ``[N]``."""
        found = torch.ones_like(outcome)
        for group in groups.unique():
            mine = groups == group
            right = mine & (outcome >= self.right)
            wrong = mine & (outcome < self.right)
            if bool(right.any()) and (bool(wrong.any()) or self.variant == "code"):
                wrongly = float(thinking[wrong].mean()) if bool(wrong.any()) else 0.0
                gap = float(thinking[right].mean()) - wrongly
                found[mine] = math.exp(min(gap, 0.0))
        return found


def _by_group(flags: Tensor, groups: Tensor) -> Tensor:
    """Return for each row whether the flag of all rows of its group is set."""
    found = torch.ones_like(flags)
    for group in groups.unique():
        found[groups == group] = bool(flags[groups == group].all())
    return found
