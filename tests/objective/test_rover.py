"""ROVER: what its values and targets are, and where its gradient flows."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from objective_cases import RowForward, Rows, composed, random_rows, update_batch

from etude.errors import DataError
from etude.objective.batch import LossBatch, MaskedForward
from etude.objective.policy_loss.rover import Rover
from etude.primitives.distribution import mean_logprob_of


def batch_of(rows: Rows) -> LossBatch:
    return update_batch(composed("objective=rover"), rows).clean()


def on_policy(rows: Rows) -> Rows:
    from token_logprobs import logprobs_of

    batch = dataclasses.replace(rows.batch, old_logprobs=logprobs_of(rows.logits, rows.tokens))
    return Rows(batch, rows.logits, rows.tokens, rows.logits)


def terms(part: Rover, rows: Rows) -> tuple[torch.Tensor, torch.Tensor]:
    batch = batch_of(rows)
    return part.terms(batch, MaskedForward(RowForward(rows.logits, rows.tokens), batch.mask))


def test_a_constant_on_all_logits_of_a_position_changes_nothing() -> None:
    rows = random_rows()
    shifted = Rows(rows.batch, rows.logits + 3.0, rows.tokens, rows.old_logits)
    for one, other in zip(terms(Rover(), rows), terms(Rover(), shifted), strict=True):
        assert torch.allclose(one, other)


def test_equal_policies_have_no_values_and_the_gradient_of_reinforce() -> None:
    rows = on_policy(random_rows())
    part = Rover(rho=2.0)
    value, target = terms(part, rows)
    batch = batch_of(rows)
    assert torch.allclose(value, torch.zeros_like(value), atol=1e-12)
    assert torch.allclose(target, batch.advantages)
    logprobs = batch.old_logprobs.clone().requires_grad_()

    class Given(RowForward):
        @property
        def logprobs(self) -> torch.Tensor:
            return logprobs

    loss = part.loss(batch, Given(rows.logits, rows.tokens)).loss
    loss.sum().backward()
    assert logprobs.grad is not None
    assert torch.allclose(logprobs.grad, -2 * 2.0 * batch.advantages * batch.mask)


def test_without_next_values_the_fixed_point_is_the_reward_over_rho() -> None:
    rows, part = random_rows(), Rover(rho=0.5, next_value=0.0)
    batch = batch_of(rows)
    reached = batch.old_logprobs + batch.advantages / 0.5

    class Reached(RowForward):
        @property
        def logprobs(self) -> torch.Tensor:
            return reached

    value, target = part.terms(batch, MaskedForward(Reached(rows.logits, rows.tokens), batch.mask))
    assert torch.allclose(value, target)


def test_the_next_value_is_that_of_the_next_column_and_none_after_the_last() -> None:
    rows = random_rows()
    batch = batch_of(rows)
    assert rows.old_logits is not None
    change = mean_logprob_of(rows.logits) - mean_logprob_of(rows.old_logits)
    _, target = terms(Rover(), rows)
    ahead = target - batch.advantages
    for i, length in enumerate(rows.batch.lengths.tolist()):
        for t in range(length):
            follows = t + 1 < length and batch.mask[i, t + 1] > 0
            expected = change[i, t + 1] if follows and batch.mask[i, t] > 0 else 0.0
            assert float(ahead[i, t]) == pytest.approx(float(expected), abs=1e-12)


def test_no_gradient_flows_through_the_target() -> None:
    rows = random_rows()
    logits = rows.logits.clone().requires_grad_()
    batch = batch_of(rows)
    _, target = Rover().terms(batch, MaskedForward(RowForward(logits, rows.tokens), batch.mask))
    assert not target.requires_grad


def test_a_clipped_value_has_no_gradient_where_the_target_pulls_further() -> None:
    rows = random_rows()
    batch = batch_of(rows)
    logits = rows.logits.clone().requires_grad_()
    part = Rover(clip=0.05)
    value, target = part.terms(batch, MaskedForward(RowForward(logits, rows.tokens), batch.mask))
    plain, _ = terms(Rover(), rows)
    held = (value.detach() - plain).abs() > 1e-9
    assert held.any() and not held.all()
    assert ((target > plain) | (target < plain))[held].all()
    assert (value.detach()[held].abs() < 0.06).all()
    value[held].sum().backward()
    assert logits.grad is None or not logits.grad.any()


def test_answers_as_a_whole_are_regressed_on_their_rewards() -> None:
    rows = random_rows()
    batch = batch_of(rows)
    loss = Rover(level="response").loss(
        batch, MaskedForward(RowForward(rows.logits, rows.tokens), batch.mask)
    )
    value, _ = terms(Rover(), rows)
    expected = []
    for i, mask in enumerate(batch.mask):
        if mask.sum():
            mean = float((value[i] * mask).sum() / mask.sum())
            reward = float((batch.advantages[i] * mask).sum() / mask.sum())
            expected.append((mean - reward) ** 2)
    assert float(loss.loss) == pytest.approx(sum(expected) / len(expected))


def test_rows_of_another_model_are_refused_with_what_to_type() -> None:
    rows = random_rows()
    batch = dataclasses.replace(batch_of(rows), old_statistics={})
    with pytest.raises(DataError, match=r"rollout\.model_from=null"):
        Rover().loss(batch, MaskedForward(RowForward(rows.logits, rows.tokens), batch.mask))
