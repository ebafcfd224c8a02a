"""Policy filtration (PF-PPO, arXiv 2409.06957): rewards are believed at their ends, not between.

Of the answers to each prompt only some ranks enter the update:

    best              rank 1
    best_worst        rank 1 and the last one
    best_random       rank 1 and one other, at random
    power             all, by |R|^p

``filter`` drops the others. ``draw`` draws as many rows as there are with replacement, by weights:
1 for the best and the worst; 0.4 for the best and 0.1 for the others; |R|^p. ``scope=batch`` ranks
all rows of the step together, as another implementation (verl) does, and every row that is tied for
an end has its weight. Advantages are those of all rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from etude.component import Rule, component, option
from etude.objective.batch import RolloutBatch
from etude.objective.parts import Selection
from etude.randomness import generator

#: What verl adds to every weight, so that a row that has none can be drawn all the same.
_LEAST = 1e-8


@component(source="arXiv 2409.06957")
@dataclass(frozen=True)
class PolicyFiltration(Selection):
    """Train on the answers whose reward ranks first, last or at random, or draw answers by rank."""

    words: ClassVar[str] = "{how} {strategy} of each {scope} by {metric}"
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "how != 'filter' or strategy != 'power'",
            "is power, which weighs every row and drops none: {path}.how=draw",
            key="strategy",
        ),
        Rule(
            "how != 'filter' or scope == 'prompt'",
            "is batch, and rows are dropped among the answers to one prompt: {path}.how=draw",
            key="scope",
        ),
        Rule(
            "how != 'draw' or strategy != 'best'",
            "is best, which would draw one row of each prompt again and again: {path}.how=filter",
            key="strategy",
        ),
    )

    strategy: str = option(
        "best_random",
        "best | best_worst | best_random (the paper's best) | power (draw alone)",
        choices=("best", "best_worst", "best_random", "power"),
    )
    how: str = option(
        "filter",
        "filter: the other rows are dropped | draw: as many rows as there are, with replacement",
        choices=("filter", "draw"),
    )
    scope: str = option(
        "prompt",
        "what is ranked: the answers to each prompt | batch (all)",
        choices=("prompt", "batch"),
    )
    power: float = option(2.0, "p of the strategy power", gt=0, le=100)
    metric: str = option(
        "reward",
        "what ranks: a part of the verifier, or reward (the sum)",
        form="part or reward",
    )

    def select(self, batch: RolloutBatch, advantages: Tensor, state: Any) -> Tensor:
        """Return the mask of the kept rows ``[N, T]``, or how often each was drawn, ``[N]``."""
        metric, applies = batch.metric(self.metric)
        known = applies & (batch.mask.sum(-1) > 0)
        rows = known.nonzero().flatten()
        seeds = torch.arange(len(metric)) if batch.row_seeds is None else batch.row_seeds
        values, groups, own = metric[rows].double(), batch.groups[rows], seeds[rows]
        if self.how == "filter":
            kept = torch.zeros_like(known)
            kept[rows] = self.kept(values, groups, own)
            return batch.mask * kept.unsqueeze(-1).to(batch.mask.dtype)
        counts = torch.zeros(len(metric), dtype=torch.int64)
        if len(rows):
            counts[rows] = _drawn(self.weights(values, groups), own, batch.step)
        return counts

    def kept(self, values: Tensor, groups: Tensor, seeds: Tensor) -> Tensor:
        """Return which rows the filter keeps, boolean ``[N]``."""
        kept = torch.zeros(len(values), dtype=torch.bool)
        for rows in _each(groups):
            ranked = ranks(values[rows])
            kept[rows[ranked[0]]] = True
            if self.strategy == "best_worst":
                kept[rows[ranked[-1]]] = True
            elif self.strategy == "best_random" and len(rows) > 1:
                others = rows[ranked[1:]]
                others = others[seeds[others].argsort()]
                drawn = generator("filtration", *map(int, seeds[rows].sort().values))
                kept[others[int(drawn.integers(len(others)))]] = True
        return kept

    def weights(self, values: Tensor, groups: Tensor) -> Tensor:
        """Return how likely each row is to be drawn, ``[N]``; only their proportion matters."""
        if self.strategy == "power":
            found = values.abs() ** self.power
        elif self.scope == "batch":
            found = self._ends(values == values.max(), values == values.min())
        else:
            best, worst = (torch.zeros(len(values), dtype=torch.bool) for _ in range(2))
            for rows in _each(groups):
                ranked = ranks(values[rows])
                best[rows[ranked[0]]] = worst[rows[ranked[-1]]] = True
            found = self._ends(best, worst)
        return found + _LEAST if self.scope == "batch" or not float(found.sum()) else found

    def _ends(self, best: Tensor, worst: Tensor) -> Tensor:
        if self.strategy == "best_worst":
            return (best | worst).double()
        return torch.where(best, 0.4, 0.1).double()


def ranks(values: Tensor) -> Tensor:
    """Return rows from the best to the worst; of equal ones the last comes first."""
    return values.argsort(stable=True).flip(0)


def r_squared(rewards: Tensor, scores: Tensor) -> float:
    """Return how much of what rows are worth their rewards tell: the squared correlation.

    A strategy is chosen by it on problems of known worth: that of the rows it keeps. nan where
    either does not vary.
    """
    pair = torch.stack([rewards.double().flatten(), scores.double().flatten()])
    return float(torch.corrcoef(pair)[0, 1].square())


def _each(groups: Tensor) -> list[Tensor]:
    return [(groups == group).nonzero().flatten() for group in groups.unique()]


def _drawn(weights: Tensor, seeds: Tensor, step: int) -> Tensor:
    """Return how often each row is drawn, ``[N]``, whatever the order of the rows."""
    order = seeds.argsort(stable=True)
    bounds = weights[order].cumsum(0)
    random = generator("filtration", step, *map(int, seeds[order]))
    points = torch.from_numpy(random.random(len(weights))) * bounds[-1]
    found = torch.searchsorted(bounds, points, right=True).clamp(max=len(weights) - 1)
    counts = torch.zeros(len(weights), dtype=torch.int64)
    counts[order] = torch.bincount(found, minlength=len(weights))
    return counts
