"""A nominal reward and the worst of an ensemble (Reward-Robust RLHF, arXiv 2409.15360).

    R = λ · nominal + (1 − λ) · worst_k mean_k

The parts are heads of one reward model, several reward models, or several votes of a verifier.
``nominal`` is the mean of the head that is surest of itself (``lowest_std``; the heads' own
standard deviations are parts, too), the average of the heads, or a part of its own (``external``).
Reconstructed from the abstract: the authors have released no code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from etude.component import Rule, component, option
from etude.errors import ConfigError, Fault
from etude.reward_weighting.interface import Combined, RewardWeighting


@component(source="arXiv 2409.15360")
@dataclass(frozen=True)
class Robust(RewardWeighting):
    """A mix of what an ensemble of rewards says of an answer, and the worst that any of it says."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "nominal != 'lowest_std' or stds != []",
            "is empty, and the surest head is wanted: name its parts, or {path}.nominal=mean",
            key="stds",
        ),
        Rule(
            "nominal != 'lowest_std' or heads != null",
            "is null, and the surest head is wanted: name the heads in the order of {path}.stds",
            key="heads",
        ),
        Rule(
            "nominal != 'external' or external != null",
            "is null, and the nominal reward is to be a part: name it, or {path}.nominal=mean",
            key="external",
        ),
    )

    heads: list[str] | None = option(
        None,
        "the parts of the ensemble; null: every part but those of stds and external",
        form="part",
    )
    stds: list[str] = option([], "the part with each head's standard deviation", form="part")
    nominal: str = option(
        "mean",
        "mean (of the heads) | lowest_std (the head that is surest) | external",
        choices=("mean", "lowest_std", "external"),
    )
    external: str | None = option(None, "the part that is the nominal reward", form="part")
    weight: float = option(0.5, "λ, the share of the nominal reward", ge=0, le=1)
    worst: str = option(
        "min",
        "min (of the heads) | mean_minus_std (of the heads) | quantile (a tenth are lower)",
        choices=("min", "mean_minus_std", "quantile"),
    )

    def __post_init__(self) -> None:
        if self.nominal == "lowest_std" and len(self.stds) != len(self.heads or ()):
            told = f"names {len(self.stds)} parts for the {len(self.heads or ())} in heads."
            raise ConfigError([Fault("reward_weighting.stds", told)])

    def combine(self, parts: Mapping[str, Tensor]) -> Combined:
        """Return the mixed rewards ``[N]``."""
        beside = {*self.stds, *([] if self.external is None else [self.external])}
        names = [n for n in parts if n not in beside] if self.heads is None else self.heads
        heads = torch.stack([parts[name].double() for name in names], -1)
        nominal, worst = self._nominal(parts, heads), self._worst(heads)
        rewards = self.weight * nominal + (1 - self.weight) * worst
        metrics = {
            "nominal": float(nominal.mean()),
            "worst": float(worst.mean()),
            "disagreement": float((heads.amax(-1) - heads.amin(-1)).mean()),
        }
        return Combined(rewards.to(next(iter(parts.values()))), metrics=metrics)

    def _nominal(self, parts: Mapping[str, Tensor], heads: Tensor) -> Tensor:
        if self.nominal == "external":
            assert self.external is not None  # a rule says so
            return parts[self.external].double()
        if self.nominal == "mean":
            return heads.mean(-1)
        surest = torch.stack([parts[name] for name in self.stds], -1).argmin(-1, keepdim=True)
        return heads.gather(-1, surest).squeeze(-1)

    def _worst(self, heads: Tensor) -> Tensor:
        if self.worst == "min":
            return heads.amin(-1)
        if self.worst == "quantile":
            return heads.quantile(0.1, dim=-1)
        return heads.mean(-1) - heads.std(-1, correction=0)
