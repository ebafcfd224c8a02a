"""Rows as padded tensors, for the calculations over a whole step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from etude.errors import StageError
from etude.objective.batch import LossBatch, RolloutBatch, ends_of, place_outcome, totals_of
from etude.randomness import seed_of
from etude.rows import Row, StopReason


def pad(
    values: Sequence[Sequence[float]], dtype: torch.dtype = torch.float32, *, width: int = 0
) -> Tensor:
    """Return ``[N, T]``, each row's values at its head, 0 behind; T is at least ``width``."""
    width = max(width, max((len(row) for row in values), default=0))
    return torch.tensor([[*row, *([0] * (width - len(row)))] for row in values], dtype=dtype)


def named_tensors(rows: Sequence[Row], width: int) -> dict[str, Tensor]:
    """Return the numbers of each token that rows have under names, each ``[N, width, …]``.

    Raises StageError where rows differ in how the numbers of a name become a tensor.
    """
    found: dict[str, Tensor] = {}
    for name in sorted({name for row in rows for name in row.tensors}):
        own = [row.tensors.get(name) for row in rows]
        given = [each for each in own if each is not None]
        shapes = {np.shape(each.values)[1:] for each in given if len(each.values)}
        kinds = {(each.missing, each.whole) for each in given}
        if len(shapes) > 1 or len(kinds) > 1:
            raise StageError(
                f"the rows of a step have numbers of each token named {name!r} of several kinds: "
                f"{sorted(shapes)} numbers a token, (missing, whole) {sorted(kinds)}"
            )
        [(missing, whole)] = kinds
        shape = next(iter(shapes), ())
        tensor = torch.full(
            (len(rows), width, *shape), missing, dtype=torch.int64 if whole else torch.float32
        )
        for line, each in zip(tensor, own, strict=True):
            if each is not None and len(each.values):
                line[: len(each.values)] = torch.as_tensor(each.values, dtype=tensor.dtype)
        found[name] = tensor
    return found


def rollout_batch(
    groups: Sequence[Sequence[Row]], width: int, *, seed: int = 0, step: int = 0, steps: int = 1
) -> RolloutBatch:
    """Return the rows of a step as tensors; ``width`` is the longest the step allows.

    ``step`` of ``steps`` is the step's number in its stage. Old log-probs are the rows' own where a
    trainer pass filled them in, the engine's otherwise.
    """
    rows = [row for group in groups for row in group]
    lengths = torch.tensor([len(row.tokens) for row in rows])
    rewards = torch.tensor([row.reward for row in rows], dtype=torch.float32)
    mask = pad([row.loss_mask for row in rows])
    parts = [row.verdict.parts if row.verdict is not None else {} for row in rows]
    names = sorted(set.intersection(*(set(part) for part in parts)))
    moved = [float(row.prompt != (row.sampled_prompt or row.prompt)) for row in rows]
    roles = sorted(set.intersection(*(set(row.role_logprobs) for row in rows)))
    return RolloutBatch(
        groups=torch.tensor([g for g, group in enumerate(groups) for _ in group]),
        rewards=rewards,
        token_rewards=place_outcome(rewards, ends_of(mask, lengths), mask.shape[1]),
        mask=mask,
        old_logprobs=pad([row.old_logprobs or row.sampler_logprobs for row in rows]),
        lengths=lengths,
        truncated=torch.tensor([row.stop_reason is StopReason.LENGTH for row in rows]),
        width=width,
        tokens=pad([row.tokens for row in rows], torch.long),
        parts={name: torch.tensor([part[name] for part in parts]) for name in names},
        role_logprobs={role: pad([row.role_logprobs[role] for row in rows]) for role in roles},
        sampler_logprobs=pad([row.sampler_logprobs for row in rows]),
        off_policy=pad([row.off_policy or [0] * len(row.tokens) for row in rows]),
        moved=torch.tensor(moved) if any(moved) else None,
        tensors=named_tensors(rows, mask.shape[1]),
        row_seeds=row_seeds(rows, seed, step),
        step=step,
        steps=steps,
    )


def taught_batch(
    rows: Sequence[Row], width: int, *, seed: int, step: int, steps: int, micro_batches: int = 1
) -> LossBatch:
    """Return demonstrations as one update batch: no advantages, every row a group of its own."""
    mask = pad([row.loss_mask for row in rows])
    groups = torch.arange(len(rows))
    return LossBatch(
        old_logprobs=torch.zeros_like(mask),
        advantages=torch.zeros_like(mask),
        mask=mask,
        groups=groups,
        row_seeds=row_seeds(rows, seed, step),
        step=step,
        steps=steps,
        totals=totals_of(mask, groups, width=width, micro_batches=micro_batches),
        off_policy=mask,
    )


def row_seeds(rows: Sequence[Row], seed: int, step: int) -> Tensor:
    """Return one seed a row, ``[N]`` int64, that keys its random choices in a loss."""
    seeds = [seed_of("loss", seed, step, row.prompt_id, row.index) >> 1 for row in rows]
    return torch.tensor(seeds, dtype=torch.int64)


def micro_batch(
    update: LossBatch, part: Sequence[int], width: int, device: torch.device
) -> LossBatch:
    """Return some rows of an update batch, cut to ``width`` tokens, on ``device``."""
    rows = torch.tensor(part)

    def cut(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: cut(each) for name, each in value.items()}
        if not value.dim():
            return value.to(device)
        return (value[rows, :width] if value.dim() > 1 else value[rows]).to(device)

    return update.map(cut)
