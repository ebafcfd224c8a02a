"""The base of weightings that have one fixed weight a part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from etude.component import option
from etude.errors import ConfigError, Fault
from etude.reward_weighting.interface import RewardWeighting


@dataclass(frozen=True)
class Weighted(RewardWeighting):
    """A weighting whose parts count by weights that the config names."""

    weights: dict[str, float] | None = option(
        {"accuracy": 1.0, "format": 0.1},
        "weight of each part; a part without one is only logged; null: every part counts once",
        form="part",
    )

    def weights_of(self, parts: Sequence[str]) -> dict[str, float]:
        """Return the weight of each part that has one."""
        return dict.fromkeys(parts, 1.0) if self.weights is None else dict(self.weights)

    def weighed(self, parts: Mapping[str, Tensor]) -> dict[str, float]:
        """Return the weights of the parts that are there.

        Raises ConfigError when a weighted part is not among them.
        """
        weights = self.weights_of(list(parts))
        given = ", ".join(sorted(parts)) or "none"
        faults = [
            Fault(
                f"reward_weighting.weights.{name}",
                f"weighs a part that the verifier does not give; it gives: {given}. "
                f"Drop it with ~reward_weighting.weights.{name}, or choose another verifier.",
            )
            for name, weight in weights.items()
            if name not in parts and weight != 0
        ]
        if faults:
            raise ConfigError(faults)
        return {name: weight for name, weight in weights.items() if name in parts}


def weighted_sum(weights: Mapping[str, float], parts: Mapping[str, Tensor]) -> Tensor:
    """Return Σ_k w_k · part_k, ``[N]``; 0 without a weight."""
    if not weights:
        return torch.zeros_like(next(iter(parts.values()), torch.zeros(0)))
    return torch.stack([weight * parts[name] for name, weight in weights.items()]).sum(0)
