"""One reward from named parts: their weighted sum.

    R = Σ_k w_k · part_k

A part without a weight is logged and not used; a weight without a part is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from etude.component import component, option
from etude.errors import ConfigError, Fault


@component()
@dataclass(frozen=True)
class WeightedSum:
    """The weighted sum of the verifier's parts."""

    weights: dict[str, float] = option(
        {"accuracy": 1.0, "format": 0.1}, "weight of each part; a part without one is only logged"
    )

    def combine(self, parts: Mapping[str, Tensor]) -> Tensor:
        """Return the reward of each row, ``[N]``, from its parts, each ``[N]``.

        Raises ConfigError when a weighted part is not among the parts.
        """
        given = ", ".join(sorted(parts)) or "none"
        faults = [
            Fault(
                f"reward_weighting.weights.{name}",
                f"weighs a part that the verifier does not give; it gives: {given}. "
                f"Drop it with ~reward_weighting.weights.{name}, or choose another verifier.",
            )
            for name, weight in self.weights.items()
            if name not in parts and weight != 0
        ]
        if faults:
            raise ConfigError(faults)
        weighted = [weight * parts[name] for name, weight in self.weights.items() if name in parts]
        if not weighted:
            like = next(iter(parts.values()), torch.zeros(0))
            return torch.zeros_like(like)
        return torch.stack(weighted).sum(0)
