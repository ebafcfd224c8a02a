"""Weights that move towards the parts whose gradients agree with all of them (arXiv 2509.11452).

    g_k = ∇ of the objective's loss with the advantages of part k alone, clipped like an update
    I_k = Σ_j ⟨g_k, g_j⟩, j = k included         the mean over ``accumulate`` steps
    w ← Σw · softmax(log w + η/μ · I)            then the step is made with the new weights

The sum of the weights stays. Each part costs one more pass over the rows of a step. The objective's
own terms (a KL in the loss) are in every g_k.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from etude.component import OF_BATCH, Need, component, option
from etude.live import Tree
from etude.primitives.mirror import mirror_step
from etude.reward_weighting.interface import Combined, Tools
from etude.reward_weighting.weighted import Weighted, weighted_sum


@component(
    source="arXiv 2509.11452",
    requires=[Need("learner:policy_gradient", why="whose gradients it compares")],
    provides=[OF_BATCH],
)
@dataclass(frozen=True)
class GradientWeights(Weighted):
    """A weighted sum that comes to favour parts whose gradients pull where all of them do."""

    weights: dict[str, float] | None = option(
        {"accuracy": 1.0, "format": 0.1},
        "weight of each part at the start, above 0; a part without one is only logged; null: every "
        "part counts once",
        form="part",
        ge=0,
    )
    rate: float | None = option(
        None, "η; null: the learning rate of the step; 0 leaves the weights as they are", ge=0
    )
    regularization: float = option(
        1e-5, "μ: at a tenth of it as rate, weights move by exp(0.1 · I)", gt=0
    )
    accumulate: int = option(1, "steps whose influences are averaged for one move", ge=1)
    layers: list[int] | None = option(
        None, "decoder layers whose gradients are compared (the authors': 10 to 25); null: all"
    )

    def start(self, seed: int) -> Tree:
        """Return no weights yet: they are those of the config until they move."""
        return {"weights": None, "influences": {}, "steps": 0}

    def combine(self, parts: Mapping[str, Tensor], state: Tree, tools: Tools) -> Combined:
        """Return the weighted sum by the weights that this step has moved."""
        weights = self._weights(state["weights"], parts)
        moved, said = dict(state), dict[str, float]()
        if self.rate != 0 and weights:
            pulls = {
                name: tools.gradient(tools.advantages(name), layers=self.layers) for name in weights
            }
            products = _products(pulls)
            influences = {name: sum(products[name].values()) for name in weights}
            moved, factors = self.moved(weights, state, influences, tools.learning_rate)
            weights = self._weights(moved["weights"], parts)
            said = _said(products, influences, factors, weights)
        shown = {f"weight/{name}": weight for name, weight in weights.items()}
        return Combined(
            weighted_sum(weights, parts), weights=weights, state=moved, metrics=shown | said
        )

    def moved(
        self,
        weights: Mapping[str, float],
        state: Tree,
        influences: Mapping[str, float],
        learning_rate: float,
    ) -> tuple[dict[str, Any], dict[str, float]]:
        """Return the state after a step's influences, and the factor exp(η/μ · I) of each part."""
        before = state["influences"]
        summed = {name: before.get(name, 0.0) + found for name, found in influences.items()}
        steps = state["steps"] + 1
        if steps < self.accumulate:
            moved = {"weights": dict(weights), "influences": summed, "steps": steps}
            return moved, dict.fromkeys(weights, 1.0)
        pace = (learning_rate if self.rate is None else self.rate) / self.regularization
        means = {name: found / steps for name, found in summed.items()}
        moved = {
            "weights": mirror_step(weights, means, pace),
            "influences": {},
            "steps": 0,
        }
        return moved, {name: math.exp(min(pace * mean, 700.0)) for name, mean in means.items()}

    def _weights(
        self, known: Mapping[str, float] | None, parts: Mapping[str, Tensor]
    ) -> dict[str, float]:
        weights = {name: w for name, w in self.weighed(parts).items() if w != 0}
        return weights if known is None else {name: known[name] for name in weights}


def _products(pulls: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Return the inner products of all pairs of gradients, each asked for once."""
    found: dict[str, dict[str, float]] = {name: {} for name in pulls}
    names = list(pulls)
    for place, name in enumerate(names):
        for other in names[place:]:
            found[name][other] = found[other][name] = pulls[name].dot(pulls[other])
    return found


def _said(
    products: Mapping[str, Mapping[str, float]],
    influences: Mapping[str, float],
    factors: Mapping[str, float],
    weights: Mapping[str, float],
) -> dict[str, float]:
    """Return numbers for the log: influences, factors, norms, and the norm of what is weighed."""
    summed = sum(weights[a] * weights[b] * products[a][b] for a in weights for b in weights)
    return {
        **{f"influence/{name}": found for name, found in influences.items()},
        **{f"factor/{name}": factor for name, factor in factors.items()},
        **{f"norm/{name}": math.sqrt(products[name][name]) for name in weights},
        "norm_of_sum": math.sqrt(max(summed, 0.0)),
    }
