"""A token mean of each prompt's answers, averaged over prompts."""

from __future__ import annotations

import pytest
import torch

from etude.objective.aggregation.group_mean_token_mean import GroupMeanTokenMean
from etude.objective.aggregation.seq_mean_token_mean import SequenceMeanTokenMean
from etude.objective.aggregation.token_mean import TokenMean
from etude.objective.batch import totals_of

#: Two prompts of 1 + 3 and 2 + 2 tokens, and one of which nothing is trained.
MASK = torch.tensor([[1, 0, 0], [1, 1, 1], [1, 1, 0], [1, 1, 0], [0, 0, 0]], dtype=torch.float64)
GROUPS = torch.tensor([7, 7, 2, 2, 4])


def test_every_prompt_weighs_the_same_and_every_token_within_it() -> None:
    weights = GroupMeanTokenMean().weights(MASK, totals_of(MASK, GROUPS, width=3), GROUPS)
    assert torch.equal(weights, MASK / 8)  # two prompts with tokens, four tokens each
    longer = MASK.clone()
    longer[2, 2] = 1  # a fifth token of the second prompt takes nothing from the first
    weights = GroupMeanTokenMean().weights(longer, totals_of(longer, GROUPS, width=3), GROUPS)
    assert torch.equal(weights[:2], MASK[:2] / 8)
    assert torch.equal(weights[2:4], longer[2:4] / 10)


def test_a_prompt_that_was_cut_apart_counts_as_a_whole() -> None:
    totals = totals_of(MASK, GROUPS, width=3)
    whole = GroupMeanTokenMean().weights(MASK, totals, GROUPS)
    for rows in ([1], [0, 3], [4, 2]):
        part = GroupMeanTokenMean().weights(MASK[rows], totals, GROUPS[rows])
        assert torch.equal(part, whole[rows])


def test_totals_of_parts_know_the_tokens_of_every_prompt() -> None:
    parts = [totals_of(MASK[rows], GROUPS[rows], width=3) for rows in ([0, 1], [2, 3], [4])]
    whole = totals_of(MASK, GROUPS, width=3)
    added = parts[0] + parts[1] + parts[2]
    assert added.group_tokens == whole.group_tokens == {7: 4, 2: 4, 4: 0}
    assert added.groups == whole.groups == 3


def test_it_is_the_token_mean_for_one_prompt_and_the_mean_of_rows_for_answers_alone() -> None:
    one, alone = torch.zeros(5).long(), torch.arange(5)
    totals = totals_of(MASK, one, width=3)
    assert torch.equal(
        GroupMeanTokenMean().weights(MASK, totals, one), TokenMean().weights(MASK, totals)
    )
    totals = totals_of(MASK, alone, width=3)
    assert torch.equal(
        GroupMeanTokenMean().weights(MASK, totals, alone),
        SequenceMeanTokenMean().weights(MASK, totals),
    )


def test_without_groups_it_says_what_is_missing() -> None:
    with pytest.raises(ValueError, match="the group of every row"):
        GroupMeanTokenMean().weights(MASK, totals_of(MASK, width=3))
