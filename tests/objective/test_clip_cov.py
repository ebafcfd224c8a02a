"""Clip-Cov: which tokens go untaught, and that nothing but the batch decides it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from objective_cases import (
    RowForward,
    Rows,
    composed,
    loss_and_gradient,
    present_statistics,
    random_rows,
    update_batch,
)

from etude.objective.batch import LossBatch
from etude.objective.modifier.clip_cov import MARK, ClipCov
from etude.objective.policy_loss.clipped import Clipped
from etude.objective.policy_loss.gspo import GSPO
from etude.primitives.covariance import token_covariance
from etude.primitives.subsets import largest
from token_logprobs import logprobs_of

torch.set_num_threads(1)

WIDE = {"ratio": 0.2, "low": 0.05, "high": 50.0}


def with_part(**options: Any) -> Any:
    part = ClipCov(**{**WIDE, **options})
    return dataclasses.replace(composed("objective=clip_cov"), modifier={"clip_cov": part})


def prepared(objective: Any, rows: Rows) -> LossBatch:
    whole = update_batch(objective, rows)
    return objective.prepare(whole, present_statistics(objective, rows.logits, rows.tokens))


def test_without_candidates_it_is_the_clipped_loss() -> None:
    rows = random_rows()
    plain = dataclasses.replace(composed("objective=clip_cov"), modifier={})
    loss, gradient, metrics = loss_and_gradient(with_part(low=1e6, high=1e7), rows)
    expected = loss_and_gradient(plain, rows)
    assert loss == expected[0]
    assert torch.equal(gradient, expected[1])
    assert metrics["objective/clip_cov_fraction"].value() == 0


def test_as_many_candidates_as_the_budget_has_lose_their_loss_and_gradient() -> None:
    rows = random_rows()
    objective = with_part()
    batch = prepared(objective, rows)
    part = objective.modifier["clip_cov"]
    logprobs = logprobs_of(rows.logits, rows.tokens)
    covariance = token_covariance(batch.advantages, logprobs, batch.mask)
    candidates = part.candidates(covariance, batch.mask, batch.marks["clipped"])
    chosen = batch.marks[MARK]
    assert int(chosen.sum()) == part.budget(batch.mask) < int(candidates.sum())
    assert not (chosen & ~candidates).any()
    _, gradient, metrics = loss_and_gradient(objective, rows)
    _, plain, _ = loss_and_gradient(dataclasses.replace(objective, modifier={}), rows)
    assert (gradient[chosen] == 0).all()
    assert (plain[chosen & (batch.advantages != 0)].abs().sum(-1) > 0).all()
    assert torch.equal(gradient[~chosen], plain[~chosen])  # the denominator still counts them
    share = float(chosen.sum()) / float(batch.mask.sum())
    assert metrics["objective/clip_cov_fraction"].value() == pytest.approx(share)


def test_one_token_is_the_least_budget() -> None:
    assert ClipCov().budget(torch.ones(2, 3)) == 1
    assert ClipCov(ratio=0.5).budget(torch.ones(3, 3)) == 4


def test_what_the_policy_loss_has_clipped_is_no_candidate() -> None:
    rows = random_rows()
    tight = {"policy_loss": Clipped(clip_low=0.01, clip_high=0.01)}
    objective = dataclasses.replace(with_part(ratio=1.0), **tight)
    batch = prepared(objective, rows)
    clipped = batch.marks["clipped"]
    logits = rows.logits.clone()
    token_loss = objective.policy_loss.loss(batch.clean(), RowForward(logits, rows.tokens))
    assert torch.equal(clipped & (batch.mask > 0), token_loss.clipped & (batch.mask > 0))
    assert clipped.any()
    assert not (batch.marks[MARK] & clipped).any()
    wide = prepared(with_part(ratio=1.0), rows).marks[MARK]
    assert (wide & clipped).any()  # the same tokens are chosen where no clip has them


def test_the_clip_of_whole_sequences_is_heeded_too() -> None:
    rows = random_rows()
    objective = dataclasses.replace(with_part(ratio=1.0), policy_loss=GSPO())
    clipped = prepared(objective, rows).marks["clipped"]
    whole = clipped.any(-1)
    assert whole.any()
    assert clipped[whole][rows.batch.mask[whole] > 0].all()


def test_the_draw_belongs_to_rows_and_the_step() -> None:
    rows = random_rows()
    objective = with_part()
    first = prepared(objective, rows).marks[MARK]
    order = torch.randperm(11, generator=torch.Generator().manual_seed(2))
    assert torch.equal(prepared(objective, rows.reordered(order)).marks[MARK], first[order])
    assert torch.equal(prepared(objective, rows.padded(4)).marks[MARK][:, :8], first)
    later = dataclasses.replace(rows, batch=dataclasses.replace(rows.batch, step=4))
    assert not torch.equal(prepared(objective, later).marks[MARK], first)
    other = dataclasses.replace(rows.batch, row_seeds=rows.batch.row_seeds + 100)
    assert not torch.equal(
        prepared(objective, dataclasses.replace(rows, batch=other)).marks[MARK], first
    )


def test_every_candidate_is_as_likely() -> None:
    rows = random_rows()
    objective = with_part(ratio=0.1)
    times = torch.zeros(11, 8)
    for step in range(300):
        at = dataclasses.replace(rows, batch=dataclasses.replace(rows.batch, step=step))
        batch = prepared(objective, at)
        times += batch.marks[MARK]
    found = times[times > 0]
    expected = float(times.sum()) / found.numel()
    assert found.numel() > 5
    assert (found - expected).abs().max() < 5 * expected**0.5


def test_means_of_the_micro_batch_are_an_option_that_depends_on_the_cut() -> None:
    rows = random_rows()
    objective = with_part(scope="micro_batch")
    whole = loss_and_gradient(objective, rows)
    torch.testing.assert_close(whole[1], loss_and_gradient(with_part(), rows)[1])
    cut = loss_and_gradient(objective, rows, cuts=[list(range(4)), list(range(4, 11))])
    assert not torch.allclose(whole[1], cut[1])


def test_selections_before_it_change_the_tokens_it_counts() -> None:
    rows = random_rows()
    objective = dataclasses.replace(
        with_part(ratio=1.0), selection=composed("objective=d3s").selection
    )
    batch = prepared(objective, rows)
    assert float(batch.mask.sum()) < float(rows.batch.mask.sum())
    assert not (batch.marks[MARK] & (batch.mask == 0)).any()


def test_equal_scores_are_taken_in_the_order_of_rows_whatever_their_place() -> None:
    scores, eligible = torch.zeros(3, 2), torch.ones(3, 2)
    seeds = torch.tensor([7, 3, 5])
    assert largest(scores, eligible, 3, seeds).tolist() == [
        [False, False],
        [True, True],
        [True, False],
    ]
    eligible[1, 0] = 0
    assert int(largest(scores, eligible, 99, seeds).sum()) == 5


def test_nothing_valid_chooses_nothing() -> None:
    rows = random_rows()
    empty = dataclasses.replace(rows.batch, mask=torch.zeros_like(rows.batch.mask))
    assert not prepared(with_part(), dataclasses.replace(rows, batch=empty)).marks[MARK].any()
