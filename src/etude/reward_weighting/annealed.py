"""Weights that move from one set to another while a stage trains.

    w(t) = (1 − f) · w0 + f · w1, divided by its sum;   f = clip(t / T, 0, 1)

``cosine`` bends f to 0.5 · (1 − cos πf), ``step`` turns from w0 to w1 at T.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from etude.component import component, option
from etude.errors import ConfigError, Fault
from etude.reward_weighting.interface import Combined, Tools
from etude.reward_weighting.weighted import Weighted, weighted_sum


@component()
@dataclass(frozen=True)
class Annealed(Weighted):
    """A weighted sum whose weights go from ``weights`` to ``end`` while a stage trains."""

    end: dict[str, float] = option(
        {"accuracy": 1.0},
        "weights at the end; a part without one counts 0 there",
        form="part",
    )
    steps: int | None = option(None, "T, steps until the end is reached; null: the stage's", ge=1)
    shape: str = option(
        "linear",
        "the way there: linear | cosine | step (at T)",
        choices=("linear", "cosine", "step"),
    )

    def combine(self, parts: Mapping[str, Tensor], tools: Tools) -> Combined:
        """Return the weighted sum by the step's weights; raises ConfigError for an unknown part."""
        weights = self.at(tools.step, self.steps or tools.steps, self.weighed(parts))
        found = {name: weight for name, weight in weights.items() if name in parts}
        return Combined(weighted_sum(found, parts), weights=found)

    def at(self, step: int, steps: int, start: Mapping[str, float]) -> dict[str, float]:
        """Return the weights of a step, which add up to 1.

        Raises ConfigError where they add up to 0 or less.
        """
        way = min(step / steps, 1.0)
        if self.shape == "cosine":
            way = 0.5 * (1 - math.cos(math.pi * way))
        elif self.shape == "step":
            way = float(way >= 1.0)
        names = dict.fromkeys([*start, *self.end])
        mixed = {k: (1 - way) * start.get(k, 0.0) + way * self.end.get(k, 0.0) for k in names}
        total = sum(mixed.values())
        if total <= 0:
            told = f"and end add up to {total:g} in step {step}; they are divided by their sum."
            raise ConfigError([Fault("reward_weighting.weights", told)])
        return {name: weight / total for name, weight in mixed.items()}
