"""Rows as padded tensors, for the calculations over a whole step."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from etude.objective.batch import LossBatch, RolloutBatch, place_outcome
from etude.randomness import seed_of
from etude.rows import Row, StopReason


def pad(values: Sequence[Sequence[float]], dtype: torch.dtype = torch.float32) -> Tensor:
    """Return ``[N, T]`` with each row's values at its head and 0 behind them."""
    width = max((len(row) for row in values), default=0)
    return torch.tensor([[*row, *([0] * (width - len(row)))] for row in values], dtype=dtype)


def rollout_batch(groups: Sequence[Sequence[Row]], width: int) -> RolloutBatch:
    """Return the rows of a step as tensors; ``width`` is the configured longest response.

    Old log-probs are the rows' own where a trainer pass filled them in, the engine's otherwise.
    """
    rows = [row for group in groups for row in group]
    lengths = torch.tensor([len(row.tokens) for row in rows])
    rewards = torch.tensor([row.reward for row in rows], dtype=torch.float32)
    mask = pad([row.loss_mask for row in rows])
    parts = [row.verdict.parts if row.verdict is not None else {} for row in rows]
    names = sorted(set.intersection(*(set(part) for part in parts)))
    references = [row.reference_logprobs for row in rows if row.reference_logprobs is not None]
    return RolloutBatch(
        groups=torch.tensor([g for g, group in enumerate(groups) for _ in group]),
        rewards=rewards,
        token_rewards=place_outcome(rewards, lengths, mask.shape[1]),
        mask=mask,
        old_logprobs=pad([row.old_logprobs or row.sampler_logprobs for row in rows]),
        lengths=lengths,
        truncated=torch.tensor([row.stop_reason is StopReason.LENGTH for row in rows]),
        width=width,
        parts={name: torch.tensor([part[name] for part in parts]) for name in names},
        reference_logprobs=pad(references) if len(references) == len(rows) else None,
        sampler_logprobs=pad([row.sampler_logprobs for row in rows]),
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
    cut: dict[str, Any] = {
        f.name: (value[rows, :width] if value.dim() == 2 else value[rows]).to(device)
        for f in dataclasses.fields(update)
        if isinstance(value := getattr(update, f.name), Tensor)
    }
    return dataclasses.replace(update, **cut)
