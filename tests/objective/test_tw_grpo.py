"""TW-GRPO: where the answers to a prompt disagree, tokens weigh more."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from objective_cases import RowForward, Rows, composed, loss_and_gradient, random_rows, update_batch
from torch import Tensor

from etude.config.prepare import prepare
from etude.errors import ConfigError
from etude.objective.batch import MaskedForward
from etude.objective.modifier.tw_grpo import TokenWeights
from etude.primitives.disagreement import disagreement

torch.set_num_threads(1)


def made(**options: Any) -> Any:
    objective = composed("objective=tw_grpo")
    return dataclasses.replace(objective, modifier={"tw_grpo": TokenWeights(**options)})


def weights(rows: Rows, width: int | None = None, **options: Any) -> Tensor:
    part = TokenWeights(**options)
    batch = update_batch(made(), rows)
    if width is not None:
        totals = dataclasses.replace(batch.totals, width=width)
        batch = dataclasses.replace(batch, totals=totals)
    forward = MaskedForward(RowForward(rows.logits, rows.tokens), batch.mask)
    return part.weights(batch, forward)[0]


def test_with_alpha_one_it_is_grpo() -> None:
    rows = random_rows()
    plain = dataclasses.replace(made(), modifier={})
    first, second = loss_and_gradient(made(alpha=1.0), rows), loss_and_gradient(plain, rows)
    assert first[0] == second[0]
    assert torch.equal(first[1], second[1])
    assert not torch.equal(loss_and_gradient(made(), rows)[1], first[1])


def test_weights_lie_between_one_and_alpha_and_reach_it_once_a_group() -> None:
    rows = random_rows()
    found, mask = weights(rows, alpha=1.5), rows.batch.mask
    assert found[mask > 0].min() >= 1 and found.max() <= 1.5
    assert not found[mask == 0].any()
    for group in (3, 0, 9):
        positions = found[rows.batch.groups == group].amax(0)
        assert (positions > 1.5 - 1e-6).sum() == 1


def test_a_position_weighs_the_same_in_every_answer_of_its_group() -> None:
    rows = random_rows()
    found, mask = weights(rows), rows.batch.mask
    for group in (3, 0, 9):
        mine = rows.batch.groups == group
        for position in range(8):
            here = found[mine, position][mask[mine, position] > 0]
            assert (here == here[:1]).all()


def test_past_the_longest_answer_the_disagreement_is_zero() -> None:
    rows = random_rows()
    mine = (rows.batch.groups == 3).nonzero().squeeze(-1)  # one of these answers has 8 tokens
    group = rows.reordered(mine)
    exact, wide = weights(group, width=8), weights(group, width=9)
    assert float(exact[exact > 0].min()) == 1.0  # the least disagreement is the zero of the scale
    assert float(wide[wide > 0].min()) > 1.0
    torch.testing.assert_close(weights(group.padded(1), width=9)[:, :8], wide)


def test_equal_distributions_and_single_answers_weigh_one() -> None:
    rows = random_rows(torch.float32)
    same = torch.randn(1, 8, 5, generator=torch.Generator().manual_seed(3)).expand(11, 8, 5)
    full = dataclasses.replace(rows.batch, mask=torch.ones(11, 8))
    assert (weights(Rows(full, same, rows.tokens)) == 1).all()
    alone = rows.batch.groups == 5
    assert (weights(rows)[alone] == rows.batch.mask[alone]).all()


def test_an_ended_answer_counts_as_uniform() -> None:
    logits = torch.randn(2, 1, 6, dtype=torch.float64)
    mask, groups = torch.tensor([[1.0], [0.0]]), torch.tensor([0, 0])
    flat = torch.stack([logits[0], torch.zeros(1, 6, dtype=torch.float64)])
    expected = disagreement(flat, groups, torch.ones(2, 1))
    torch.testing.assert_close(disagreement(logits, groups, mask), expected)
    assert expected.min() > 0


def test_the_disagreement_is_the_sum_over_the_vocabulary_and_the_mean_over_answers() -> None:
    lp = torch.log(torch.tensor([[[0.5, 0.5]], [[0.2, 0.8]]], dtype=torch.float64))
    found = disagreement(lp, torch.tensor([1, 1]), torch.ones(2, 1))
    d = lp.mean(0) - lp
    torch.testing.assert_close(found[0, 0], (d.exp() - d - 1).sum() / 2)


def test_far_apart_distributions_stay_finite() -> None:
    logits = torch.zeros(2, 1, 4)
    logits[0, 0, 0] = 500.0
    assert torch.isfinite(disagreement(logits, torch.tensor([0, 0]), torch.ones(2, 1))).all()


def test_a_gradient_flows_through_the_weights_only_when_asked() -> None:
    rows = random_rows()
    constant, through = made(), made(detach_weights=False)
    first, second = loss_and_gradient(constant, rows), loss_and_gradient(through, rows)
    assert first[0] == second[0]
    assert not torch.allclose(first[1], second[1])


def test_an_answer_that_is_masked_out_has_no_say() -> None:
    rows = random_rows()
    mask = rows.batch.mask.clone()
    mask[1] = 0
    masked = Rows(dataclasses.replace(rows.batch, mask=mask), rows.logits, rows.tokens)
    others = torch.tensor([0, 2, 3])
    torch.testing.assert_close(weights(masked)[others], weights(rows.reordered(others)))


def test_it_needs_losses_of_single_tokens() -> None:
    with pytest.raises(ConfigError, match="tokenwise"):
        prepare(["recipe=rl", "objective=pacs", "objective/modifier=[tw_grpo]"])
    prepare(["recipe=rl", "objective=gspo", "objective/modifier=[tw_grpo]"])
