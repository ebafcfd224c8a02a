"""Groups of unequal size: every advantage is what each group alone would give it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from objective_cases import take

from etude import schema
from etude.build import build, load_class
from etude.component import FIXED_SIZE
from etude.errors import StageError
from etude.objective.batch import RolloutBatch, place_outcome
from etude.objective.guidance.demonstrations import Demonstrations
from etude.objective.sizes import fewer, of_some, sizes_of

torch.set_num_threads(1)

#: Advantages that are measured by the whole batch: its spread, its groups, its tokens.
OF_THE_BATCH = {
    "bnpo",
    "gae",
    "reinforce_plus_plus",
    "reinforce_plus_plus_baseline",
    "whole_batch",
}

#: Variants that defaults do not show.
MORE = {
    "grpo": [{"scale": "none"}, {"std": "population"}],
    "opmd": [{"baseline": "logavgexp", "tau": 0.3}],
}


def advantages() -> list[tuple[str, dict[str, Any]]]:
    """Return (name, options) of every advantage that takes groups of any size."""
    known = schema.load().components["objective/advantage"]
    names = [
        name
        for name, info in known.items()
        if all(need.what != FIXED_SIZE for need in info.requires) and name not in OF_THE_BATCH
    ]
    return [(name, each) for name in names for each in [{}, *MORE.get(name, [])]]


def ragged() -> RolloutBatch:
    """Return rows of groups of 5, 1, 3, 2 and 7 answers, mixed up, with rewards of all kinds."""
    noise = torch.Generator().manual_seed(3)
    groups = torch.tensor([0] * 5 + [1] + [2] * 3 + [4] * 2 + [7] * 7)
    order = torch.randperm(len(groups), generator=noise)
    rows, width = len(groups), 6
    lengths = torch.randint(1, width + 1, (rows,), generator=noise)
    rewards = torch.randint(0, 4, (rows,), generator=noise).double()
    rewards[groups == 4] = 1.0  # all alike
    mask = (torch.arange(width) < lengths.unsqueeze(-1)).double()
    batch = RolloutBatch(
        groups=groups,
        rewards=rewards,
        token_rewards=place_outcome(rewards, lengths, width),
        mask=mask,
        old_logprobs=-torch.rand(rows, width, generator=noise).double(),
        lengths=lengths,
        truncated=lengths == width,
        width=width,
        values=torch.randn(rows, width, generator=noise).double(),
        off_policy=torch.zeros_like(mask),
        row_seeds=torch.arange(1, rows + 1),
        parts={"accuracy": (rewards > 1).double()},
    )
    return take(batch, order)


def estimate(part: Any, batch: RolloutBatch) -> torch.Tensor:
    found: torch.Tensor = part.estimate(batch, part.make_state()).advantages
    return found


@pytest.mark.parametrize(("name", "options"), advantages(), ids=str)
def test_ragged_groups_have_the_advantages_of_each_group_alone(
    name: str, options: dict[str, Any]
) -> None:
    part = build({"name": name, **options}, "objective/advantage")
    batch = ragged()
    together = estimate(part, batch)
    for group in batch.groups.unique():
        rows = (batch.groups == group).nonzero().squeeze(-1)
        alone = estimate(part, take(batch, rows))
        torch.testing.assert_close(together[rows], alone, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", sorted(OF_THE_BATCH))
def test_what_compares_with_the_whole_batch_moves_with_its_rows(name: str) -> None:
    part = build({"name": name}, "objective/advantage")
    batch = ragged()
    order = torch.argsort(batch.groups, stable=True)
    together = estimate(part, batch)
    assert together.abs().max() > 0
    torch.testing.assert_close(
        estimate(part, take(batch, order)), together[order], rtol=1e-10, atol=1e-12
    )


def test_answers_beyond_the_smallest_group_are_why_riskpo_refuses_unequal_groups() -> None:
    batch = dataclasses.replace(ragged(), step=1)
    part = load_class(schema.load().find("objective/advantage", "riskpo"))()
    used = estimate(part, batch).abs().sum(-1) > 0
    assert used.sum() <= len(batch.groups.unique())  # a paper for the group of one answer


def test_sizes_are_one_number_or_one_for_each_prompt() -> None:
    assert sizes_of(3, 2) == [3, 3] and sizes_of((1, 4), 2) == [1, 4]
    assert of_some(3, [1]) == 3 and of_some([1, 4, 2], [2, 0]) == [2, 1]
    assert fewer(3, 1) == 2 and fewer([3, 5], 1) == [2, 4]


def test_demonstrations_leave_a_place_for_an_answer_in_every_group() -> None:
    with pytest.raises(StageError, match="gives a prompt 1 places"):
        Demonstrations(count=1).groups([None, None], [2, 1], None, None)  # type: ignore[arg-type, list-item]
