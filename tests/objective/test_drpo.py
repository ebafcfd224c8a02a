"""DRPO: which answers move which way, and when the constraint acts."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from objective_cases import RowForward, Rows, composed, random_rows, update_batch

from etude.errors import DataError
from etude.objective.batch import LossBatch
from etude.objective.policy_loss.drpo import DRPO, STRENGTH
from token_logprobs import logprobs_of

FREE = {"delta": 1e6}  # no constraint


def of_part(part: DRPO) -> Any:
    return dataclasses.replace(composed("objective=drpo"), policy_loss=part)


def gradient(part: DRPO, rows: Rows, **changes: Any) -> tuple[float, torch.Tensor, LossBatch]:
    """Return loss and gradient of the log-probs, ``[N, T]``."""
    objective = of_part(part)
    batch = dataclasses.replace(update_batch(objective, rows), **changes)
    logprobs = logprobs_of(rows.logits, rows.tokens).requires_grad_()

    class Given(RowForward):
        @property
        def logprobs(self) -> torch.Tensor:
            return logprobs

    batch = objective.prepare(batch, {"logprobs": logprobs.detach()})
    loss = objective.loss(batch, Given(rows.logits, rows.tokens))
    loss.total.backward()
    assert logprobs.grad is not None
    return float(loss.total.detach()), logprobs.grad, batch


def test_right_answers_are_never_pushed_down_nor_wrong_ones_up() -> None:
    rows = random_rows()
    _, found, batch = gradient(DRPO(**FREE), rows)
    right = (rows.batch.rewards > 0.5).unsqueeze(-1) & (batch.mask > 0)
    wrong = (rows.batch.rewards <= 0.5).unsqueeze(-1) & (batch.mask > 0)
    assert (found[right] <= 0).all() and (found[right] < 0).any()
    assert (found[wrong] >= 0).all() and (found[wrong] > 0).any()


def test_groups_of_one_kind_add_nothing_but_count() -> None:
    rows = random_rows()
    _, found, batch = gradient(DRPO(**FREE), rows)
    all_right = rows.batch.groups == 0
    assert not found[all_right].any() and not found[rows.batch.groups == 5].any()
    only = rows.batch.groups == 3
    few = dataclasses.replace(batch.totals, groups=1)
    _, alone, _ = gradient(DRPO(**FREE), rows, totals=few)
    assert torch.allclose(alone[only], found[only] * batch.totals.groups)


def test_short_right_answers_weigh_more_and_not_without_the_length_weight() -> None:
    rows = random_rows()
    group = [0, 3]  # the right answers of one prompt, of 5 tokens and of 1
    for temperature, factor in ((0.5, None), (1e9, 1.0)):
        _, found, batch = gradient(DRPO(length_temperature=temperature, **FREE), rows)
        weights = -(found * batch.mask).sum(-1)[group]  # ω over its sum, ÷ Q
        lengths = batch.mask.sum(-1)[group]
        expected = torch.exp(-(lengths[1] - lengths[0]) / batch.totals.width / temperature)
        assert float(weights[1] / weights[0]) == pytest.approx(factor or float(expected))


def test_a_low_temperature_pushes_only_the_likeliest_wrong_answer() -> None:
    rows = random_rows()
    _, found, batch = gradient(DRPO(tau=1e-3, **FREE), rows)
    wrong = [1, 2]
    scores = [
        float((logprobs_of(rows.logits, rows.tokens) * batch.mask)[i].sum() / batch.mask[i].sum())
        for i in wrong
    ]
    likeliest = wrong[scores.index(max(scores))]
    assert found[likeliest].abs().sum() > 0
    assert found[[i for i in wrong if i != likeliest]].abs().max() < 1e-9


def test_the_constraint_is_a_squared_hinge_of_the_whole_update_batch() -> None:
    rows = random_rows()
    plain, free, _ = gradient(DRPO(**FREE), rows)
    part = DRPO(delta=-1.0, beta=3.0)
    held, found, batch = gradient(part, rows)
    kl = ((rows.batch.old_logprobs - logprobs_of(rows.logits, rows.tokens)) * batch.mask).sum()
    kl = float(kl / batch.mask.sum())
    assert float(batch.marks[STRENGTH]) == pytest.approx(3.0 * (kl + 1.0))
    assert held - plain == pytest.approx(3.0 * (kl + 1.0) * kl)
    extra = (found - free)[batch.mask > 0]
    assert torch.allclose(extra, torch.full_like(extra, -3.0 * (kl + 1.0) / batch.totals.tokens))


def test_rewards_only_matter_by_the_side_of_the_threshold_they_are_on() -> None:
    rows = random_rows()
    scaled = dataclasses.replace(rows.batch, rewards=rows.batch.rewards * 0.6 + 0.1)
    other = Rows(scaled, rows.logits, rows.tokens, rows.old_logits)
    assert torch.equal(gradient(DRPO(**FREE), rows)[1], gradient(DRPO(**FREE), other)[1])


def test_without_rewards_it_says_what_to_type() -> None:
    with pytest.raises(DataError, match="objective/policy_loss=clipped"):
        gradient(DRPO(), random_rows(), rewards=None)
