"""Policy filtration and weights by loss: what is kept, how often a row is drawn, what is inert."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from objective_cases import random_rows

from etude.objective.batch import RolloutBatch
from etude.objective.sample_weights.by_loss import ByLoss
from etude.objective.sample_weights.kind import Samples
from etude.objective.selection.policy_filtration import PolicyFiltration


def batch_of(rewards: list[float], groups: list[int], seed: int = 0) -> RolloutBatch:
    rows = len(rewards)
    few = random_rows().batch
    return dataclasses.replace(
        few,
        rewards=torch.tensor(rewards),
        groups=torch.tensor(groups),
        mask=torch.ones(rows, 3),
        row_seeds=torch.arange(rows) * 7 + seed,
    )


def test_the_filter_keeps_one_row_of_each_prompt_and_one_other() -> None:
    batch = batch_of([0.1, 0.9, 0.5, 0.7, 0.2, 0.4], [1, 1, 1, 0, 0, 0])
    seen = set()
    for seed in range(60):
        kept = PolicyFiltration().select(
            batch_of([0.1, 0.9, 0.5, 0.7, 0.2, 0.4], [1, 1, 1, 0, 0, 0], seed), batch.rewards, None
        )
        rows = (kept.sum(-1) > 0).tolist()
        assert rows[1] and rows[3]
        assert sum(rows[:3]) == sum(rows[3:]) == 2
        seen.add(tuple(rows))
    assert len(seen) == 4  # either other row of either prompt


def test_a_prompt_with_one_answer_keeps_it_once() -> None:
    for strategy in ("best", "best_worst", "best_random"):
        kept = PolicyFiltration(strategy=strategy).select(
            batch_of([0.3, 0.4], [0, 1]), torch.zeros(2), None
        )
        assert (kept.sum(-1) > 0).tolist() == [True, True]


def test_as_many_rows_are_drawn_as_there_are_and_by_their_weights() -> None:
    part = PolicyFiltration(how="draw", strategy="best_random")
    rewards, groups = [0.1, 0.9, 0.5, 0.2], [0, 0, 0, 0]
    total = torch.zeros(4)
    for seed in range(2000):
        counts = part.select(batch_of(rewards, groups, seed), torch.zeros(4), None)
        assert int(counts.sum()) == 4
        total += counts
    assert (total / total.sum()).tolist() == pytest.approx([1 / 7, 4 / 7, 1 / 7, 1 / 7], abs=0.02)


def test_what_is_drawn_does_not_depend_on_the_order_of_the_rows() -> None:
    part = PolicyFiltration(how="draw", strategy="power")
    batch = batch_of([0.1, 0.9, 0.5, 0.2, 1.4], [0, 0, 1, 1, 1])
    order = torch.tensor([3, 0, 4, 1, 2])
    turned = dataclasses.replace(
        batch,
        rewards=batch.rewards[order],
        groups=batch.groups[order],
        row_seeds=batch.row_seeds[order],
    )
    counts = part.select(batch, torch.zeros(5), None)
    assert torch.equal(part.select(turned, torch.zeros(5), None), counts[order])


def test_rows_without_a_token_are_never_drawn() -> None:
    batch = batch_of([5.0, 0.1, 0.2], [0, 0, 0])
    batch.mask[0] = 0
    for how in ("draw", "filter"):
        found = PolicyFiltration(how=how, strategy="best_worst").select(batch, torch.zeros(3), None)
        counts = found if found.dim() == 1 else found.sum(-1)
        assert counts[0] == 0
        assert counts[1:].sum() > 0


def samples(losses: list[float], tokens: list[int] | None = None, step: int = 9) -> Samples:
    count = torch.tensor(tokens or [1] * len(losses))
    return Samples(torch.tensor(losses).double(), count, count, [{}] * len(losses), step, 10)


def test_a_high_temperature_counts_all_demonstrations_alike() -> None:
    for strategy in ("linupper", "quadratic", "extremes", "upper", "uniform"):
        part = ByLoss(strategy=strategy, temperature=1e6)
        assert part.weigh(samples([1.0, 2.0, 4.0]), None) == pytest.approx([1 / 3] * 3, abs=1e-5)


def test_a_demonstration_without_a_token_moves_no_other_weight() -> None:
    part = ByLoss(strategy="upper")
    whole = part.weigh(samples([1.0, 2.0, 4.0]), None)
    more = part.weigh(samples([1.0, 99.0, 2.0, 4.0], [1, 0, 1, 1]), None)
    assert more[1] == 0
    assert torch.equal(more[[0, 2, 3]], whole)
    assert part.weigh(samples([5.0], [0]), None).tolist() == [0.0]


def test_the_first_steps_count_all_alike() -> None:
    part = ByLoss(temperature=0.1, uniform_steps=9)
    assert part.weigh(samples([1.0, 4.0], step=8), None).tolist() == [0.5, 0.5]
    assert part.weigh(samples([1.0, 4.0], step=9), None)[1] > 0.9
