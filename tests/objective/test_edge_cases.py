"""Batches with nothing to learn, empty rows, extreme ratios and low precision."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from objective_cases import (
    Rows,
    composed,
    loss_and_gradient,
    presets,
    random_rows,
    update_batch,
    with_everything,
)

from etude.errors import ConfigError, DataError
from etude.objective.advantage.gae import GeneralisedAdvantage
from etude.objective.batch import LossBatch, place_outcome, totals_of
from etude.objective.filter.dynamic_sampling import DynamicSampling
from etude.objective.loss import ScalarLoss
from etude.objective.masking.overlong_filter import OverlongFilter
from etude.objective.mismatch.weights import ImportanceWeights
from etude.objective.parts import Modifier, PolicyLoss
from etude.objective.policy_loss.clipped import Clipped
from etude.objective.regularizer.kl import KL
from etude.objective.shaping.kl_penalty import KLController, KLPenalty
from etude.objective.shaping.soft_overlong import SoftOverlong
from etude.primitives.groups import group_statistics
from etude.primitives.masked import whiten

torch.set_num_threads(1)

RELATIVE = ("cispo", "dapo", "dr_grpo", "grpo", "gspo", "reinforce_plus_plus_baseline", "rloo")


def rewarded(rows: Rows, rewards: torch.Tensor) -> Rows:
    token_rewards = place_outcome(rewards, rows.batch.lengths, rows.logits.shape[1])
    batch = dataclasses.replace(rows.batch, rewards=rewards, token_rewards=token_rewards)
    return Rows(batch, rows.logits, rows.tokens)


@pytest.mark.parametrize("name", RELATIVE)
def test_groups_without_signal_have_no_loss_and_no_gradient(name: str) -> None:
    rows = random_rows(torch.float32)
    rewards = torch.where(rows.batch.groups == 3, 0.1, 0.7).float()
    rewards[rows.batch.groups == 5] = 0.0  # alone in its group: its reward is its advantage
    objective = dataclasses.replace(composed(f"objective={name}"), shaping={})
    loss, gradient, _ = loss_and_gradient(objective, rewarded(rows, rewards))
    assert loss == 0
    assert (gradient == 0).all()
    estimate = objective.estimate(rewarded(rows, rewards).batch)
    assert estimate.metrics["objective/zero_std_groups"] == 0.75


@pytest.mark.parametrize("name", presets("policy_gradient"))
def test_a_batch_that_is_masked_out_whole_has_zero_loss_not_nan(name: str) -> None:
    rows = random_rows(torch.float32)
    batch = dataclasses.replace(rows.batch, mask=torch.zeros_like(rows.batch.mask))
    objective = with_everything(composed(f"objective={name}"))
    loss, gradient, metrics = loss_and_gradient(objective, Rows(batch, rows.logits, rows.tokens))
    assert loss == 0
    assert (gradient == 0).all()
    assert all(metric.value() == 0 for metric in metrics.values())


@pytest.mark.parametrize("name", presets("policy_gradient"))
def test_an_empty_row_is_as_if_it_were_not_there(name: str) -> None:
    rows = random_rows()
    rows = rewarded(rows, torch.where(rows.batch.groups == 0, 1.0, rows.batch.rewards))
    there = torch.arange(11) != 6  # row 6 is empty; its group is all right with and without it
    objective = composed(f"objective={name}")
    loss, gradient, _ = loss_and_gradient(objective, rows)
    without = loss_and_gradient(objective, rows.reordered(there.nonzero().squeeze(-1)))
    torch.testing.assert_close(without[0], loss)
    torch.testing.assert_close(without[1], gradient[there])
    assert (gradient[6] == 0).all()


@pytest.mark.parametrize("name", presets("policy_gradient"))
@pytest.mark.parametrize("shift", [-300.0, 300.0])
def test_extreme_ratios_stay_finite(name: str, shift: float) -> None:
    rows = random_rows(torch.float32)
    batch = dataclasses.replace(rows.batch, old_logprobs=rows.batch.old_logprobs + shift)
    objective = with_everything(composed(f"objective={name}"))
    loss, gradient, metrics = loss_and_gradient(objective, Rows(batch, rows.logits, rows.tokens))
    assert torch.isfinite(loss)
    assert torch.isfinite(gradient).all()
    assert all(torch.isfinite(torch.tensor(metric.value())) for metric in metrics.values())


@pytest.mark.parametrize("name", presets("policy_gradient"))
def test_bfloat16_input_is_computed_in_float32(name: str) -> None:
    rows = random_rows(torch.bfloat16)
    objective = with_everything(composed(f"objective={name}"))
    loss, gradient, _ = loss_and_gradient(objective, rows)
    assert torch.isfinite(loss)
    assert torch.isfinite(gradient).all()
    assert rows.old_logits is not None
    old = rows.old_logits.float()
    wide = Rows(as_float(rows.batch), rows.logits.float(), rows.tokens, old)
    expected = loss_and_gradient(objective, wide)[0]
    assert loss == pytest.approx(float(expected), rel=1e-5, abs=1e-6)


def as_float(batch):  # type: ignore[no-untyped-def]
    tensors = {
        f.name: value.float()
        for f in dataclasses.fields(batch)
        if isinstance(value := getattr(batch, f.name), torch.Tensor) and value.is_floating_point()
    }
    return dataclasses.replace(batch, **tensors)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_group_of_equal_rewards_is_flat_in_any_precision(dtype: torch.dtype) -> None:
    rewards = torch.tensor([0.1, 0.1, 0.1, 0.3, 0.4], dtype=dtype)
    statistics = group_statistics(rewards, torch.tensor([4, 4, 4, 1, 1]))
    assert (statistics.centre(rewards)[:3] == 0).all()
    assert statistics.flat_groups == 1


def test_advantages_of_a_row_that_is_masked_out_still_shape_its_group() -> None:
    rows = random_rows()
    objective = dataclasses.replace(
        composed("objective=grpo"), masking={"overlong_filter": OverlongFilter()}
    )
    batch, metrics = objective.shape(rows.batch)
    plain = composed("objective=grpo").advantages(rows.batch)
    advantages = objective.advantages(batch)
    assert (advantages[2] == 0).all()  # the truncated row
    others = torch.arange(11) != 2
    assert torch.equal(advantages[others], plain[others])
    assert metrics["objective/masked_rows"] == pytest.approx(2 / 11)  # truncated, empty


def test_whitening_needs_two_tokens() -> None:
    one = torch.tensor([[1.0, 0.0]])
    assert (whiten(one, torch.zeros(1, 2)) == 0).all()
    with pytest.raises(DataError, match="at least 2"):
        whiten(one, torch.tensor([[1.0, 0.0]]))


def test_missing_log_probs_and_values_are_named() -> None:
    missing = {"role_logprobs": {}, "sampler_logprobs": None, "values": None}
    batch = dataclasses.replace(random_rows().batch, **missing)
    objective = composed("objective=grpo")
    with pytest.raises(DataError, match="reference"):
        dataclasses.replace(objective, shaping={"kl_penalty": KLPenalty()}).shape(batch)
    with pytest.raises(DataError, match="critic"):
        dataclasses.replace(objective, advantage=GeneralisedAdvantage()).estimate(batch)
    rows = Rows(batch, random_rows().logits, random_rows().tokens)
    with pytest.raises(DataError, match="objective/mismatch=none"):
        update_batch(dataclasses.replace(objective, mismatch=ImportanceWeights()), rows)
    with pytest.raises(DataError, match="reference"):
        loss_and_gradient(dataclasses.replace(objective, regularizer={"kl": KL(coef=0.1)}), rows)


def test_a_coefficient_of_zero_asks_for_no_reference() -> None:
    rows = random_rows()
    rows = Rows(dataclasses.replace(rows.batch, role_logprobs={}), rows.logits, rows.tokens)
    off = dataclasses.replace(
        composed("objective=grpo"),
        regularizer={"kl": KL(coef=0.0)},
        shaping={"kl_penalty": KLPenalty(coef=0.0)},
    )
    assert loss_and_gradient(off, rows)[0] == loss_and_gradient(composed("objective=grpo"), rows)[0]


def test_kl_in_the_reward_lowers_outcome_and_tokens_alike() -> None:
    batch = random_rows().batch
    objective = dataclasses.replace(
        composed("objective=grpo"), shaping={"kl_penalty": KLPenalty(coef=0.5, estimator="k2")}
    )
    shaped, metrics = objective.shape(batch)
    filled = batch.lengths > 0
    torch.testing.assert_close(shaped.rewards[filled], shaped.token_rewards.sum(-1)[filled])
    assert (shaped.rewards <= batch.rewards).all()
    assert metrics["objective/kl_reference"] > 0


def test_the_kl_coefficient_moves_once_a_step_and_survives_a_restart() -> None:
    penalty = KLPenalty(coef=0.5, controller="adaptive", target=1e-4, horizon=11)
    objective = dataclasses.replace(composed("objective=grpo"), shaping={"kl_penalty": penalty})
    state, batch = objective.make_state(), random_rows().batch
    objective.shape(batch, state)
    fresh = objective.make_state()
    one, restored = (each.of("shaping.kl_penalty") for each in (state, fresh))
    assert one is not None and restored is not None
    saved = one.state_dict()
    restored.load_state_dict(saved)
    first, _ = objective.shape(batch, state)
    again, metrics = objective.shape(batch, fresh)
    assert torch.equal(first.token_rewards, again.token_rewards)
    assert metrics["objective/kl_coef"] != 0.5
    assert one.state_dict() == restored.state_dict() != saved
    assert KLPenalty(coef=0.5).make_state() == KLController(0.5)


def test_soft_overlong_takes_a_fifth_of_the_response_limit_as_its_buffer() -> None:
    penalty = SoftOverlong().penalty([16384, 18432, 20480, 30000], 20480)
    assert penalty.tolist() == [0.0, -0.5, -1.0, -1.0]


def test_dynamic_sampling_judges_by_a_part_and_refills() -> None:
    dapo = composed("objective=dapo")
    assert dapo.filter == DynamicSampling(metric="accuracy", max_batches=10)
    assert dapo.filter.refill
    keep_all = composed("objective=grpo").filter
    assert not keep_all.refill
    assert keep_all.keep([[1, 1], [0, 1]]) == [True, True]


class Halved(Modifier):
    def modify(self, tokens, batch, forward, state):  # type: ignore[no-untyped-def]
        return dataclasses.replace(tokens, loss=tokens.loss / 2)


class WholeLoss(PolicyLoss):
    whole_groups = True

    def loss(self, batch: LossBatch, forward):  # type: ignore[no-untyped-def]
        return ScalarLoss((forward.logprobs * batch.mask).sum() / batch.totals.tokens)


def test_a_modifier_changes_token_losses_and_is_refused_where_there_are_none() -> None:
    rows = random_rows()
    objective = composed("objective=grpo")
    modified = dataclasses.replace(objective, modifier={"halved": Halved()})
    full, half = loss_and_gradient(objective, rows), loss_and_gradient(modified, rows)
    torch.testing.assert_close(half[1] * 2, full[1])
    scalar = dataclasses.replace(modified, policy_loss=WholeLoss())
    assert scalar.whole_groups
    assert not objective.whole_groups
    with pytest.raises(ConfigError, match="halved"):
        loss_and_gradient(scalar, rows)


def test_totals_of_parts_without_a_common_group_add_up() -> None:
    batch = random_rows().batch
    whole = totals_of(batch.mask, batch.groups, width=12)
    parts = [
        totals_of(batch.mask[at], batch.groups[at], width=12) for at in (slice(4), slice(4, 11))
    ]
    total = parts[0] + parts[1]
    assert dataclasses.replace(total, micro_batches=1) == whole
    assert (whole.rows, whole.all_rows, whole.groups) == (10, 11, 4)


def test_clip_metrics_say_which_side_and_dual_clip() -> None:
    rows = random_rows()
    from token_logprobs import logprobs_of

    current = logprobs_of(rows.logits, rows.tokens)
    batch = dataclasses.replace(rows.batch, old_logprobs=current - 3.0)
    objective = dataclasses.replace(composed("objective=grpo"), policy_loss=Clipped(dual_clip=2.0))
    _, _, metrics = loss_and_gradient(objective, Rows(batch, rows.logits, rows.tokens))
    advantages = objective.advantages(batch)
    on = batch.mask > 0
    assert metrics["objective/clip_fraction_high"].value() == pytest.approx(
        float((advantages[on] > 0).double().mean())
    )
    assert metrics["objective/dual_clip_fraction"].value() == pytest.approx(
        float((advantages[on] < 0).double().mean())
    )
    assert metrics["objective/clip_fraction_low"].value() == 0
    assert metrics["objective/approx_kl"].value() == pytest.approx(-3.0)
