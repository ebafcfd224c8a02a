"""Answers to the plain prompt, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from etude.component import component
from etude.objective.parts import Groups, Guidance, Sampler
from etude.objective.sizes import Size
from etude.rows import Example


@component()
@dataclass(frozen=True)
class Unguided(Guidance):
    """Every group is the policy's own answers to the plain prompt."""

    def groups(
        self, examples: Sequence[Example], size: Size, sampler: Sampler, state: Any
    ) -> Groups:
        """Return ``size`` answers to each example."""
        return Groups(sampler.sample(examples, size))
