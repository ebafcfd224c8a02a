"""Weighted means that a low part drags down: harmonic and geometric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from etude.component import option
from etude.errors import ConfigError, Fault
from etude.reward_weighting.weighted import Weighted


@dataclass(frozen=True)
class Mean(Weighted):
    """A mean of the parts by weights that are divided by their sum; parts count from a floor on."""

    floor: float = option(1e-8, "a part below it counts as this much", gt=0, le=1)

    def shares(self, parts: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return (weights ``[K]`` of sum 1, parts ``[K, N]`` at or above the floor).

        Raises ConfigError for weights that are below 0 or all 0.
        """
        weights = self.weighed(parts)
        values = torch.tensor(list(weights.values()), dtype=torch.float64)
        if not len(values) or bool((values < 0).any()) or not float(values.sum()):
            told = f"has the weights {weights}; a mean takes weights of 0 or more, one above 0."
            raise ConfigError([Fault("reward_weighting.weights", told)])
        stacked = torch.stack([parts[name].double() for name in weights])
        return values / values.sum(), stacked.clamp(min=self.floor)
