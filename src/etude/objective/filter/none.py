"""Every group is trained on, also those without signal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from etude.component import component
from etude.objective.parts import MetricFilter


@component()
@dataclass(frozen=True)
class KeepAll(MetricFilter):
    """Train on every group."""

    metric = "reward"
    max_batches = 1
    reads_rewards = False

    def keep(self, groups: Sequence[Sequence[float]]) -> list[bool]:
        """Return True for every group."""
        return [True for _ in groups]
