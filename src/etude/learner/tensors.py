"""Rows as padded tensors, for the calculations over a whole step."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from etude.objective.batch import RolloutBatch, place_outcome
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
    names = sorted({name for row in rows if row.verdict for name in row.verdict.parts})
    references = [row.reference_logprobs for row in rows]
    return RolloutBatch(
        groups=torch.tensor([g for g, group in enumerate(groups) for _ in group]),
        rewards=rewards,
        token_rewards=place_outcome(rewards, lengths, mask.shape[1]),
        mask=mask,
        old_logprobs=pad([row.old_logprobs or row.sampler_logprobs for row in rows]),
        lengths=lengths,
        truncated=torch.tensor([row.stop_reason is StopReason.LENGTH for row in rows]),
        width=width,
        parts={
            name: torch.tensor([row.verdict.parts.get(name, 0.0) if row.verdict else 0.0 for row in rows])
            for name in names
        },
        reference_logprobs=None if None in references else pad([r for r in references if r is not None]),
        sampler_logprobs=pad([row.sampler_logprobs for row in rows]),
    )


def row_seeds(rows: Sequence[Row], seed: int, step: int) -> Tensor:
    """Return one seed a row, ``[N]`` int64, that keys its random choices in a loss."""
    seeds = [seed_of("loss", seed, step, row.prompt_id, row.index) >> 1 for row in rows]
    return torch.tensor(seeds, dtype=torch.int64)
