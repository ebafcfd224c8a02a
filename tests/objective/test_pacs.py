"""PACS: labels, relative scores with their gradient, and balanced weights."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from objective_cases import RowForward, Rows, composed, loss_and_gradient, random_rows, update_batch
from torch import Tensor

from etude.config.prepare import prepare
from etude.errors import ConfigError, DataError
from etude.objective.policy_loss.pacs import PACS
from etude.primitives.group_scores import group_softmax, minus_mean, minus_others
from token_logprobs import logprobs_of

torch.set_num_threads(1)


def made(**options: Any) -> Any:
    return dataclasses.replace(composed("objective=pacs"), policy_loss=PACS(**options))


def on_policy(rows: Rows) -> Rows:
    current = logprobs_of(rows.logits, rows.tokens)
    batch = dataclasses.replace(rows.batch, old_logprobs=current)
    return Rows(batch, rows.logits, rows.tokens, rows.logits)


def by_logprobs(rows: Rows, **options: Any) -> tuple[Tensor, Tensor]:
    """Return the loss and its gradient by the log-probs, ``[N, T]``."""
    objective = made(**options)
    logprobs = logprobs_of(rows.logits, rows.tokens).requires_grad_()

    class Given(RowForward):
        @property
        def logprobs(self) -> Tensor:
            return logprobs

    loss = objective.loss(update_batch(objective, rows), Given(rows.logits, rows.tokens)).total
    loss.backward()
    assert logprobs.grad is not None
    return loss.detach(), logprobs.grad


@pytest.mark.parametrize("beta", [1.0, 2.0])
def test_on_policy_it_is_reinforce_with_a_leave_one_out_baseline(beta: float) -> None:
    rows = on_policy(random_rows())
    _, gradient = by_logprobs(rows, beta=beta)
    there = rows.batch.mask.sum(-1) > 0
    label = (rows.batch.rewards > 0.5).double()
    moves = torch.zeros_like(label)
    for group in (3, 0, 9, 5):
        at = ((rows.batch.groups == group) & there).nonzero().squeeze(-1)
        y, size = label[at], len(at)
        right = y.sum()
        mixed = 0 < right < size
        weight = size / (2 * torch.where(y > 0, right, size - right)) if mixed else 1.0
        pull = weight * (0.5 - y)
        others = (pull.sum() - pull) / max(size - 1, 1)
        moves[at] = pull - others
    expected = beta * moves / int(there.sum())
    torch.testing.assert_close(gradient, expected.unsqueeze(-1) * rows.batch.mask)


@pytest.mark.parametrize("baseline", ["rloo", "grpo"])
def test_a_shift_of_all_scores_of_a_prompt_changes_nothing(baseline: str) -> None:
    scores = torch.tensor([0.5, -1.0, 2.0, 0.3, 1.0], dtype=torch.float64)
    groups, members = torch.tensor([1, 1, 1, 0, 0]), torch.ones(5)
    relative = {
        "rloo": minus_others,
        "grpo": lambda x, g, m: minus_mean(x, g, m, scale=True),
    }[baseline]
    moved = relative(scores + 3.0 * (groups == 1), groups, members)
    torch.testing.assert_close(moved, relative(scores, groups, members))
    assert (moved.abs() > 0.1).any()


def test_right_and_wrong_answers_of_a_prompt_have_the_same_weight() -> None:
    label = torch.tensor([1, 0, 0, 0, 1, 1, 1, 0], dtype=torch.float64)
    groups = torch.tensor([2, 2, 2, 2, 7, 7, 1, 1])
    weights = PACS()._weights(label, groups, torch.ones(8, dtype=torch.float64))
    assert weights.tolist() == pytest.approx([2, 2 / 3, 2 / 3, 2 / 3, 1, 1, 1, 1])
    assert PACS(weights="only_positive")._weights(label, groups, label).tolist() == label.tolist()
    negative = PACS(weights="only_negative")._weights(label, groups, label)
    assert torch.equal(negative, 1 - label)


def test_answers_of_one_class_stop_cancelling_once_scores_spread() -> None:
    all_right = (random_rows().batch.groups == 0).nonzero().squeeze(-1)
    _, even = by_logprobs(on_policy(random_rows()))
    _, spread = by_logprobs(random_rows())
    assert even[all_right].abs().max() < 1e-12
    assert spread[all_right].abs().max() > 1e-3


def test_the_gradient_flows_through_the_baseline() -> None:
    rows = random_rows()
    first = (rows.batch.groups == 9).nonzero().squeeze(-1)[0]
    _, whole = by_logprobs(rows)
    _, naive = by_logprobs(rows, baseline="naive")
    assert not torch.allclose(whole[first], naive[first])
    # Two answers: what one gains the other loses, so their moves are opposite and equal.
    pair = whole[rows.batch.groups == 9]
    lengths = rows.batch.mask[rows.batch.groups == 9].sum(-1)
    moves = pair.sum(-1) / lengths
    assert float(moves.sum()) == pytest.approx(0.0, abs=1e-12)
    assert float(moves[0]) != 0


def test_equal_scores_divided_by_their_std_have_no_nan() -> None:
    loss, gradient = by_logprobs(on_policy(random_rows()), baseline="grpo")
    assert torch.isfinite(loss) and torch.isfinite(gradient).all()


def test_mean_logprobs_do_not_read_the_sampling_policy_and_do_not_grow_with_length() -> None:
    rows = random_rows()
    moved = dataclasses.replace(rows.batch, old_logprobs=rows.batch.old_logprobs - 1)
    other = Rows(moved, rows.logits, rows.tokens, rows.old_logits)
    first = by_logprobs(rows, score="mean_logprob", baseline="naive")
    again = by_logprobs(other, score="mean_logprob", baseline="naive")
    assert torch.equal(first[1], again[1])
    assert not torch.equal(by_logprobs(rows)[1], by_logprobs(other)[1])
    total = first[1].sum(-1)[0]
    assert torch.allclose(first[1][0][rows.batch.mask[0] > 0], total / 5)


def test_a_reward_above_the_threshold_is_a_right_answer() -> None:
    rows = random_rows()
    graded = dataclasses.replace(rows.batch, rewards=rows.batch.rewards * 0.7 + 0.1)
    other = Rows(graded, rows.logits, rows.tokens, rows.old_logits)
    assert by_logprobs(other)[0] == by_logprobs(rows)[0]
    assert by_logprobs(other, threshold=0.9)[0] != by_logprobs(rows)[0]


def test_the_log_says_what_the_scores_know() -> None:
    rows = random_rows()
    metrics = loss_and_gradient(made(), rows)[2]
    assert 0 < metrics["objective/score_accuracy"].value() < 1
    assert metrics["objective/score_right"].value() != metrics["objective/score_wrong"].value()


def test_without_rewards_it_says_what_is_missing() -> None:
    rows = random_rows()
    batch = dataclasses.replace(update_batch(made(), rows), rewards=None)
    with pytest.raises(DataError, match="takes the reward of a row for its label"):
        made().loss(batch, RowForward(rows.logits, rows.tokens))


def test_no_advantages_are_refused_with_a_loss_that_reads_them() -> None:
    with pytest.raises(ConfigError, match="reward-reading"):
        prepare(["recipe=rl", "objective=pacs", "objective/policy_loss=clipped"])
    prepare(["recipe=rl", "objective=grpo", "objective/policy_loss=pacs"])


def test_a_softmax_of_groups_counts_members_only() -> None:
    x = torch.tensor([800.0, 800.0, 3.0, 1.0, 5.0])
    groups, members = torch.tensor([4, 4, 4, 2, 2]), torch.tensor([1, 1, 0, 0, 0])
    assert group_softmax(x, groups, members).tolist() == [0.5, 0.5, 0, 0, 0]
