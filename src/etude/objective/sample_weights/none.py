"""Demonstrations count as the objective's denominator says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from etude.component import component
from etude.objective.sample_weights.kind import Samples, SampleWeights


@component()
@dataclass(frozen=True)
class Unweighted(SampleWeights):
    """No demonstration is preferred to another."""

    active: ClassVar[bool] = False
    reads_losses: ClassVar[bool] = False

    def weigh(self, samples: Samples, state: Any) -> Tensor:
        """Return 1 for each."""
        return samples.losses.new_ones(len(samples.losses))
