"""The reward of the worst-off group (MaxMin-RLHF, arXiv 2402.08925).

Every part is the reward of one group of people. ``hard`` trains a step on the part whose mean over
the batch is lowest; ``softmin`` on all, weighed by exp(−mean / τ); ``multiplicative`` by weights
that last, w ← w · exp(−η · mean), as games of this kind are solved. Reconstructed: the authors have
released no code.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from etude.component import OF_BATCH, component, option
from etude.live import Tree
from etude.reward_weighting.interface import Combined, RewardWeighting
from etude.reward_weighting.weighted import weighted_sum


@component(source="arXiv 2402.08925", provides=[OF_BATCH])
@dataclass(frozen=True)
class MaxMin(RewardWeighting):
    """The reward of the group of people that fares worst."""

    groups: list[str] | None = option(
        None,
        "the part that is each group's reward; null: every part that any answer was given",
        form="part",
    )
    selection: str = option(
        "hard",
        "hard (the worst group alone) | softmin | multiplicative (weights that last)",
        choices=("hard", "softmin", "multiplicative"),
    )
    tau: float = option(0.5, "τ of softmin: the lower, the more the worst group counts", gt=0)
    eta: float = option(0.1, "η of multiplicative, its rate", gt=0)
    smoothing: float = option(
        0.0,
        "how much of a group's mean is that of the steps before; 0: this batch alone",
        ge=0,
        lt=1,
    )

    def start(self, seed: int) -> Tree:
        """Return means of nothing yet, and no weights."""
        return {"means": {}, "weights": {}}

    def combine(
        self, parts: Mapping[str, Tensor], applies: Mapping[str, Tensor], state: Tree
    ) -> Combined:
        """Return the rewards ``[N]`` by the means of all rows; a tie goes to the first group."""
        names = self.groups or [
            name for name in parts if name in state["means"] or bool(applies[name].any())
        ]
        means = {
            name: self._mean(parts[name], applies[name], state["means"], name) for name in names
        }
        lasting = self._lasting(means, state["weights"])
        weights = self._weights(means, lasting)
        return Combined(
            weighted_sum(weights, parts),
            weights=weights,
            state={"means": means, "weights": lasting},
            metrics={f"mean/{name}": mean for name, mean in means.items()},
        )

    def _mean(
        self, values: Tensor, applies: Tensor, before: Mapping[str, float], name: str
    ) -> float:
        known = before.get(name)
        if not bool(applies.any()):
            return 0.0 if known is None else known
        mean = float(values[applies].double().mean())
        if known is None:
            return mean
        return self.smoothing * known + (1 - self.smoothing) * mean

    def _lasting(self, means: Mapping[str, float], before: Mapping[str, float]) -> dict[str, float]:
        old = {name: before.get(name, 1.0 / len(means)) for name in means}
        return _shared({name: math.log(old[name]) - self.eta * means[name] for name in means})

    def _weights(
        self, means: Mapping[str, float], lasting: Mapping[str, float]
    ) -> Mapping[str, float]:
        if self.selection == "multiplicative":
            return lasting
        if self.selection == "softmin":
            return _shared({name: -mean / self.tau for name, mean in means.items()})
        worst = min(means, key=means.__getitem__)
        return {name: float(name == worst) for name in means}


def _shared(logits: Mapping[str, float]) -> dict[str, float]:
    """Return the softmax of logits by name; no weight is lost for good."""
    most = max(logits.values())
    weights = {name: max(math.exp(x - most), 1e-30) for name, x in logits.items()}
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}
