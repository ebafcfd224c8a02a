"""Bundles of prompts, whose answers make papers, and the credit each answer gets of its paper."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from etude.primitives.groups import GroupStatistics

#: A standard deviation up to this counts as 1: dividing by it would be dividing by noise.
NO_SPREAD = 1e-3
#: Where a paper's centred rewards add up to no more than this, its answers share alike.
NO_CREDIT = 1e-6


@dataclass(frozen=True)
class Bundle:
    """Some prompts (questions) and their papers.

    ``rows [Q, K]`` are row numbers: paper k is column k, one answer to each of the Q questions.
    ``scores [K]`` are the papers' summed rewards, float64.
    """

    rows: Tensor
    scores: Tensor


def bundles_of(
    rewards: Tensor, groups: Tensor, size: int, order: Tensor | None = None
) -> list[Bundle]:
    """Return the bundles of ``size`` consecutive groups, by rising group id; the last may be short.

    Paper k holds the k-th row of every group, in rising ``order [N]`` (None: as the rows stand),
    so with a key of each row the rows' order changes nothing. Where groups differ in size the
    smallest decides how many papers there are, and the rows beyond are in none.
    """
    position = torch.arange(groups.numel(), device=groups.device) if order is None else order
    by_key = torch.argsort(position, stable=True)
    ids = torch.unique(groups).tolist()
    found = []
    for start in range(0, len(ids), size):
        members = [by_key[groups[by_key] == group] for group in ids[start : start + size]]
        papers = min(len(rows) for rows in members)
        rows = torch.stack([each[:papers] for each in members])
        found.append(Bundle(rows, rewards.double()[rows].sum(0)))
    return found


def _uniform(
    paper: Tensor, rows: Tensor, rewards: Tensor, questions: GroupStatistics, epsilon: float
) -> Tensor:
    return paper.expand(rows.shape)


def _by_score(
    paper: Tensor, rows: Tensor, rewards: Tensor, questions: GroupStatistics, epsilon: float
) -> Tensor:
    return torch.where(rewards[rows] > 0, 0.5 * paper, 1.5 * paper)


def _by_std(
    paper: Tensor, rows: Tensor, rewards: Tensor, questions: GroupStatistics, epsilon: float
) -> Tensor:
    std = questions.std[rows]
    return paper / (torch.where(std <= NO_SPREAD, torch.ones_like(std), std) + epsilon)


def _by_share(
    paper: Tensor, rows: Tensor, rewards: Tensor, questions: GroupStatistics, epsilon: float
) -> Tensor:
    alone = questions.size == 1  # an answer without others is no better than they are
    centred = questions.centre(rewards).masked_fill(alone, 0.0)[rows]
    total = centred.sum(0)
    shares = centred / torch.where(total.abs() <= NO_CREDIT, torch.ones_like(total), total)
    alike = torch.full_like(shares, 1.0 / rows.shape[0])
    return paper * torch.where(total.abs() <= NO_CREDIT, alike, shares)


#: How a paper's advantage ``[K]`` becomes that of its answers ``[Q, K]``, given their row numbers,
#: all rewards ``[N]``, the statistics of the questions, and what is added to a std.
CREDITS: Mapping[str, Callable[[Tensor, Tensor, Tensor, GroupStatistics, float], Tensor]] = {
    "uniform": _uniform,
    "score": _by_score,
    "std": _by_std,
    "sum_mean": _by_share,
}
