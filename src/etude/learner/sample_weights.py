"""How much each demonstration of a step counts: what a part is told of them, and what follows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from etude.errors import StageError
from etude.learner.forward import score
from etude.learner.tensors import row_seeds
from etude.model.policy import Policy
from etude.objective.sample_weights.kind import Samples
from etude.rows import Row


def samples_of(
    rows: Sequence[Row], policy: Policy, keys: tuple[int, int, int], token_budget: int
) -> Samples:
    """Return the demonstrations of a step with their losses, the same on every rank.

    ``keys`` are the seed, the number of the step, and of how many. The losses are measured without
    gradient, in micro-batches of ``token_budget``; with 0 they are not.
    """
    seed, step, steps = keys
    counts = torch.tensor([sum(row.loss_mask) for row in rows])
    losses = torch.zeros(len(rows), dtype=torch.float64)
    if token_budget:
        found = score(policy, rows, token_budget=token_budget)
        sums = torch.tensor([-math.fsum(line) for line in found], dtype=torch.float64)
        losses = sums / counts.clamp(min=1)
    columns = [row.example.columns for row in rows]
    return Samples(losses, counts, row_seeds(rows, seed, step), columns, step, steps)


def scales_of(weights: Tensor, sizes: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Return what multiplies the tokens of demonstrations with these weights and sizes, ``[N]``.

    ``sizes`` are the numbers (or summed weights) of their trained tokens. Weights are divided by
    the sum of those that have any. Raises StageError for weights that are negative, no numbers, or
    all 0.
    """
    own = weights.detach().double().cpu()
    if own.shape != sizes.shape or not bool((torch.isfinite(own) & (own >= 0)).all()):
        raise StageError(
            f"objective.sample_weights returned {weights.tolist()} for {len(sizes)} demonstrations;"
            f" it returns a tensor [{len(sizes)}] of numbers that are 0 or more"
        )
    own = torch.where(sizes > 0, own, torch.zeros_like(own))
    total = float(own.sum())
    if total <= 0:
        raise StageError("objective.sample_weights gave weight 0 to every demonstration of a step")
    shares = own / total
    found = {
        "objective/effective_samples": 1.0 / float(shares.square().sum()),
        "objective/sample_weight_max": float(shares.max()),
    }
    return shares / torch.where(sizes > 0, sizes, torch.ones_like(sizes)), found
