"""KL-Cov: the tokens of largest covariance pay for moving."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from objective_cases import (
    Rows,
    composed,
    loss_and_gradient,
    present_statistics,
    random_rows,
    update_batch,
)

from etude.objective.modifier.kl_cov import MARK, KLCov
from etude.objective.policy_loss.reinforce import Reinforce
from etude.primitives.covariance import token_covariance
from token_logprobs import logprobs_of

torch.set_num_threads(1)


def with_part(**options: Any) -> Any:
    return dataclasses.replace(
        composed("objective=kl_cov"), modifier={"kl_cov": KLCov(**{"ratio": 0.2, **options})}
    )


def prepared(objective: Any, rows: Rows) -> Any:
    whole = update_batch(objective, rows)
    return objective.prepare(whole, present_statistics(objective, rows.logits, rows.tokens))


def test_without_a_weight_it_is_the_importance_weighted_policy_gradient() -> None:
    rows = random_rows()
    reference = dataclasses.replace(
        composed("objective=kl_cov"), policy_loss=Reinforce(importance_weight=True), modifier={}
    )
    gradient = loss_and_gradient(with_part(coef=0.0), rows)[1]
    torch.testing.assert_close(gradient, loss_and_gradient(reference, rows)[1])


def test_the_chosen_are_the_largest_covariances_and_all_when_the_ratio_is_one() -> None:
    rows = random_rows()
    objective = with_part()
    batch = prepared(objective, rows)
    logprobs = logprobs_of(rows.logits, rows.tokens)
    covariance = token_covariance(batch.advantages, logprobs, batch.mask)
    chosen, valid = batch.marks[MARK], batch.mask > 0
    assert int(chosen.sum()) == int(0.2 * int(valid.sum()))
    assert covariance[chosen].min() > covariance[valid & ~chosen].max()
    everywhere = prepared(with_part(ratio=1.0), rows).marks[MARK]
    assert torch.equal(everywhere, valid)
    assert int(prepared(with_part(ratio=0.0), rows).marks[MARK].sum()) == 1


def test_the_penalty_is_the_absolute_log_ratio() -> None:
    rows = random_rows()
    loss, _, metrics = loss_and_gradient(with_part(ratio=1.0, coef=0.5), rows)
    plain, _, _ = loss_and_gradient(with_part(coef=0.0), rows)
    moved = logprobs_of(rows.logits, rows.tokens) - rows.batch.old_logprobs
    mean = (moved.abs() * rows.batch.mask).sum() / rows.batch.mask.sum()
    torch.testing.assert_close(loss - plain, 0.5 * mean)
    assert metrics["objective/absolute_log_ratio"].value() == pytest.approx(float(mean))
    assert metrics["objective/kl_cov_penalty"].value() == pytest.approx(0.5 * float(mean))


def test_where_nothing_moved_the_gradient_is_that_of_reinforce() -> None:
    rows = random_rows()
    current = logprobs_of(rows.logits, rows.tokens)
    still = dataclasses.replace(rows, batch=dataclasses.replace(rows.batch, old_logprobs=current))
    gradient = loss_and_gradient(with_part(ratio=1.0), still)[1]
    plain = dataclasses.replace(with_part(), policy_loss=Reinforce(), modifier={})
    torch.testing.assert_close(gradient, loss_and_gradient(plain, still)[1])


def test_ratios_are_not_clipped() -> None:
    rows = random_rows()
    far = dataclasses.replace(
        rows, batch=dataclasses.replace(rows.batch, old_logprobs=rows.batch.old_logprobs - 9.0)
    )
    _, _, metrics = loss_and_gradient(with_part(), far)
    assert metrics["objective/clip_fraction"].value() == 0


def test_means_of_the_micro_batch_are_an_option_that_depends_on_the_cut() -> None:
    rows = random_rows()
    objective = with_part(scope="micro_batch")
    torch.testing.assert_close(
        loss_and_gradient(objective, rows)[1], loss_and_gradient(with_part(), rows)[1]
    )
    cut = loss_and_gradient(objective, rows, cuts=[[row] for row in range(11)])
    assert not torch.allclose(cut[1], loss_and_gradient(objective, rows)[1])


def test_no_valid_token_leaves_nothing_to_choose() -> None:
    rows = random_rows()
    empty = dataclasses.replace(rows.batch, mask=torch.zeros_like(rows.batch.mask))
    assert not prepared(with_part(), dataclasses.replace(rows, batch=empty)).marks[MARK].any()
