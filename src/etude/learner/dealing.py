"""How the passes of an update are dealt out to ranks, and their metrics brought together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from etude.distributed.world import current
from etude.learner.microbatch import split
from etude.objective.loss import Metric, Metrics, add_metrics


@dataclass(frozen=True)
class Pass:
    """One forward and backward pass of this rank: row numbers, and whether they count.

    A pass that does not count keeps this rank in step with one that has a micro-batch more: sharded
    weights are gathered by all ranks together.
    """

    rows: list[int]
    counts: bool = True

    def loss(self, total: Tensor, found: Mapping[str, Metric], metrics: Metrics) -> Tensor:
        """Return the loss to step on, and add what was found to ``metrics``; nothing if idle."""
        if not self.counts:
            return total * 0.0
        metrics.update(add_metrics(metrics, found))
        return total


def cut(
    lengths: Sequence[int], token_budget: int, groups: Sequence[object] | None = None
) -> list[list[int]]:
    """Return the micro-batches of an update (:func:`split`): one for each rank, if rows allow.

    In a world of one that is :func:`split`. With more ranks the budget is lowered until nobody is
    left without work, or every micro-batch is one row or group.
    """
    micro = split(lengths, token_budget, groups)
    units = len(lengths) if groups is None else len(set(groups))
    wanted = min(current().size, units)
    budget = min(token_budget, max((_padded(part, lengths) for part in micro), default=1))
    while len(micro) < wanted:
        budget = budget * 3 // 4
        micro = split(lengths, budget, groups)
    return micro


def _padded(rows: Sequence[int], lengths: Sequence[int]) -> int:
    return len(rows) * max(lengths[row] for row in rows)


def deal(micro: Sequence[list[int]]) -> list[Pass]:
    """Return this rank's passes over the micro-batches: as many as every other rank makes.

    Micro-batches come longest first and are dealt in turn, so that ranks have alike much to do.
    """
    world = current()
    mine = [Pass(rows) for rows in world.share(micro)]
    rounds = -(-len(micro) // world.size)
    return mine + [Pass(micro[-1], counts=False) for _ in range(rounds - len(mine))]


def merged(metrics: Metrics) -> Metrics:
    """Return the metrics of all ranks together; the same on each."""
    world = current()
    if world.is_alone:
        return metrics
    mine = {
        name: (type(m), float(m.numerator), float(m.denominator)) for name, m in metrics.items()
    }
    total: Metrics = {}
    for numbers in world.gather(mine):
        found = {
            name: kind(_number(above), _number(below))
            for name, (kind, above, below) in numbers.items()
        }
        total = add_metrics(total, found)
    return total


def _number(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)
