"""Each prompt gets as many answers as the curriculum plans, or as the config says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from etude.component import component
from etude.rollout.budget.kind import Budget


@component()
@dataclass(frozen=True)
class Uniform(Budget):
    """Leaves sizes as they are planned: training.rollouts_per_prompt answers to every prompt."""

    def open(self, stage: Any) -> None:
        """Return nothing: there is nothing to decide."""
