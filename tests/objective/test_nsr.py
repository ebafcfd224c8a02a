"""Learning from right or wrong answers alone, and from both with different weights."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from objective_cases import Rows, composed, loss_and_gradient, random_rows, update_batch

from etude.objective.advantage.signed import Signed
from token_logprobs import logprobs_of

torch.set_num_threads(1)


def without_bonus(name: str, **parts: Any) -> Any:
    return dataclasses.replace(composed(f"objective={name}"), regularizer={}, **parts)


def on_policy(rows: Rows) -> Rows:
    current = logprobs_of(rows.logits, rows.tokens)
    return dataclasses.replace(rows, batch=dataclasses.replace(rows.batch, old_logprobs=current))


def logprob_gradient(objective: Any, rows: Rows) -> torch.Tensor:
    """Return the gradient of the loss by the log-probs, ``[N, T]``."""
    batch = update_batch(objective, rows)
    logprobs = logprobs_of(rows.logits, rows.tokens).requires_grad_()

    class Given:
        """A forward pass that knows log-probs alone."""

        @property
        def logprobs(self) -> torch.Tensor:
            return logprobs

    objective.loss(objective.prepare(batch, {}), Given()).total.backward()
    assert logprobs.grad is not None
    return logprobs.grad


def test_wrong_answers_are_pushed_down_by_one_over_their_tokens() -> None:
    rows = on_policy(random_rows())
    gradient = logprob_gradient(without_bonus("nsr"), rows)
    wrong = rows.batch.mask * (rows.batch.rewards == 0).double().unsqueeze(-1)
    torch.testing.assert_close(gradient, wrong / wrong.sum())
    right = rows.batch.mask * (rows.batch.rewards == 1).double().unsqueeze(-1)
    torch.testing.assert_close(logprob_gradient(without_bonus("psr"), rows), -right / right.sum())


def test_the_weighted_gradient_is_linear_in_the_weight() -> None:
    rows = random_rows()

    def gradient(weight: float) -> torch.Tensor:
        part = Signed(positive_weight=weight)
        return logprob_gradient(without_bonus("w_reinforce", advantage=part), rows)

    zero, tenth, one = gradient(0.0), gradient(0.1), gradient(1.0)
    torch.testing.assert_close(tenth, zero + 0.1 * (one - zero))
    wrong = update_batch(without_bonus("nsr"), rows).totals.tokens
    tokens = update_batch(without_bonus("w_reinforce"), rows).totals.tokens
    torch.testing.assert_close(zero * tokens, logprob_gradient(without_bonus("nsr"), rows) * wrong)


def test_with_weight_one_it_is_reinforce_with_rewards_of_plus_and_minus_one() -> None:
    rows = on_policy(random_rows())
    part = Signed(positive_weight=1.0)
    gradient = logprob_gradient(without_bonus("w_reinforce", advantage=part), rows)
    signs = rows.batch.rewards * 2 - 1
    torch.testing.assert_close(
        gradient, -signs.unsqueeze(-1) * rows.batch.mask / rows.batch.mask.sum()
    )


def test_a_group_of_equal_answers_counts() -> None:
    rows = on_policy(random_rows())
    all_right = rows.batch.groups == 0
    gradient = logprob_gradient(without_bonus("w_reinforce"), rows)
    assert (gradient[all_right].sum(-1) < 0).sum() == 3  # its fourth row is empty
    relative = logprob_gradient(composed("objective=grpo"), rows)
    assert (relative[all_right] == 0).all()


def test_other_scales_are_cut_at_a_threshold() -> None:
    rows = random_rows()
    rewards = rows.batch.rewards * 3 - 1  # -1 and 2
    batch = dataclasses.replace(rows.batch, rewards=rewards, parts={})
    part = Signed(metric="reward", positive_weight=0.1)
    objective = without_bonus("w_reinforce", advantage=part)
    found = objective.advantages(batch)
    torch.testing.assert_close(found, without_bonus("w_reinforce").advantages(rows.batch))
    strict = without_bonus("w_reinforce", advantage=dataclasses.replace(part, above=2.0))
    assert (strict.advantages(batch)[batch.mask > 0] == -1).all()


def test_what_is_right_is_read_from_the_accuracy_part_not_from_the_reward() -> None:
    rows = random_rows()
    accuracy = 1 - rows.batch.rewards
    batch = dataclasses.replace(rows.batch, parts={"accuracy": accuracy})
    signs = without_bonus("w_reinforce").advantages(batch)
    wrong = (rows.batch.rewards == 1).unsqueeze(-1) & (batch.mask > 0)
    assert (signs[wrong] == -1).all()
    assert (update_batch(without_bonus("nsr"), dataclasses.replace(rows, batch=batch)).mask > 0)[
        wrong
    ].all()


@pytest.mark.parametrize(("name", "reward"), [("nsr", 1.0), ("psr", 0.0)])
def test_a_batch_without_the_wanted_answers_has_no_tokens(name: str, reward: float) -> None:
    rows = random_rows()
    accuracy = torch.full_like(rows.batch.rewards, reward)
    batch = dataclasses.replace(rows.batch, rewards=accuracy, parts={"accuracy": accuracy})
    empty = dataclasses.replace(rows, batch=batch)
    objective = composed(f"objective={name}")
    assert update_batch(objective, empty).totals.tokens == 0
    loss, gradient, _ = loss_and_gradient(objective, empty)
    assert loss == 0
    assert (gradient == 0).all()
