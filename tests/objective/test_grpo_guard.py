"""The analogue of GRPO-Guard for tokens: log-ratios centred over the update batch."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from objective_cases import Rows, composed, loss_and_gradient, random_rows, update_batch

from etude.objective.policy_loss.clipped import BIAS, Clipped
from etude.primitives.ratio_norm import normalised_ratio
from token_logprobs import logprobs_of

torch.set_num_threads(1)


def made(**options: Any) -> Any:
    return dataclasses.replace(composed("objective=grpo"), policy_loss=Clipped(**options))


def on_policy(rows: Rows) -> Rows:
    current = logprobs_of(rows.logits, rows.tokens)
    return Rows(dataclasses.replace(rows.batch, old_logprobs=current), rows.logits, rows.tokens)


def bias_of(rows: Rows) -> torch.Tensor:
    objective = made(ratio_norm=1.0)
    current = logprobs_of(rows.logits, rows.tokens)
    return objective.prepare(update_batch(objective, rows), {"logprobs": current}).marks[BIAS]


def test_it_is_off_by_default_and_asks_for_nothing_then() -> None:
    assert Clipped().ratio_norm is None
    assert made().statistics == ()
    assert made(ratio_norm=1.0).statistics == ("logprobs",)


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_at_the_sampling_policy_it_is_the_plain_loss_with_a_scaled_gradient(scale: float) -> None:
    rows = on_policy(random_rows())
    plain, guarded = (
        loss_and_gradient(made(), rows),
        loss_and_gradient(made(ratio_norm=scale), rows),
    )
    torch.testing.assert_close(guarded[0], plain[0])
    torch.testing.assert_close(guarded[1], plain[1] * scale)
    assert guarded[2]["objective/normalised_ratio"].value() == pytest.approx(1.0)


def test_log_ratios_of_the_sampled_tokens_have_mean_zero() -> None:
    rows = random_rows()
    bias = bias_of(rows)
    sampled = (rows.batch.mask > 0) & (rows.batch.off_policy == 0)
    moved = logprobs_of(rows.logits, rows.tokens) - rows.batch.old_logprobs
    assert float((moved + bias)[sampled].mean()) == pytest.approx(0.0, abs=1e-12)
    assert bias != 0
    logged = loss_and_gradient(made(ratio_norm=1.0), rows)[2]["objective/ratio_bias"].value()
    assert logged == pytest.approx(float(bias))


def test_a_shift_of_all_log_ratios_is_taken_out() -> None:
    rows = random_rows()
    lower = dataclasses.replace(rows.batch, old_logprobs=rows.batch.old_logprobs + 0.7)
    shifted = Rows(lower, rows.logits, rows.tokens)
    first = loss_and_gradient(made(ratio_norm=1.0), rows)
    again = loss_and_gradient(made(ratio_norm=1.0), shifted)
    torch.testing.assert_close(again[1], first[1])
    assert not torch.allclose(loss_and_gradient(made(), shifted)[1], first[1])


def test_the_bias_is_a_constant() -> None:
    rows = random_rows()
    # Advantages of one sign and a band nothing leaves: the gradient of a token is −A·r/tokens only.
    wide = made(ratio_norm=1.0, clip_low=1.0, clip_high=1e9)
    bias = bias_of(rows)
    objective = dataclasses.replace(wide, aggregation=composed("objective=dapo").aggregation)
    batch = update_batch(objective, rows)
    logits = rows.logits.clone().requires_grad_()
    logprobs = logprobs_of(logits, rows.tokens)
    ratio = normalised_ratio(logprobs - batch.old_logprobs, bias)
    (-batch.advantages * ratio * batch.mask).sum().div(batch.totals.tokens).backward()
    torch.testing.assert_close(loss_and_gradient(objective, rows)[1], logits.grad)


CUTS = [[[i] for i in range(11)], [[10, 2, 7, 0, 5], [1, 9, 3], [8, 4, 6]]]


@pytest.mark.parametrize("cuts", CUTS)
def test_micro_batches_and_padding_change_nothing(cuts: list[list[int]]) -> None:
    rows, objective = random_rows(), composed("objective=grpo", "objective/policy_loss=ratio_norm")
    assert objective.policy_loss.ratio_norm == 1.0
    first = loss_and_gradient(objective, rows)
    cut = loss_and_gradient(objective, rows.padded(2), cuts=cuts)
    torch.testing.assert_close(cut[0], first[0])
    torch.testing.assert_close(cut[1][:, :8], first[1])


def test_no_ratio_overflows() -> None:
    moved = torch.tensor([-500.0, 500.0], requires_grad=True)
    assert torch.isfinite(normalised_ratio(moved, 3.0, 2.0)).all()
