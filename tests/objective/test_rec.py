"""REC and RED: masks, weights, regularisers and dropped answers."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from objective_cases import Rows, composed, loss_and_gradient, random_rows, take

from etude.config.prepare import prepare
from etude.errors import ConfigError, DataError
from etude.objective.advantage.rec import REC as Advantage
from etude.objective.policy_loss.clipped import Clipped
from etude.objective.policy_loss.rec import REC
from etude.objective.policy_loss.reinforce import Reinforce
from etude.primitives.groups import group_statistics

torch.set_num_threads(1)


def base(**parts):  # type: ignore[no-untyped-def]
    return dataclasses.replace(composed("objective=rec"), **parts)


def stale(rows: Rows) -> Rows:
    """Return the rows with ratios far from 1, so that every mask has something to leave out."""
    old = rows.batch.old_logprobs
    far = (rows.batch.old_logprobs * 7).sin() * 1.5
    return Rows(dataclasses.replace(rows.batch, old_logprobs=old + far), rows.logits, rows.tokens)


def gradient(loss, rows: Rows | None = None):  # type: ignore[no-untyped-def]
    return loss_and_gradient(base(policy_loss=loss), rows or stale(random_rows()))


def test_none_and_none_is_reinforce_and_opmd_without_temperature() -> None:
    opmd = composed("objective=opmd", "objective.policy_loss.tau=0")
    rows = stale(random_rows())
    first = loss_and_gradient(base(), rows)
    for other in (base(policy_loss=Reinforce()), opmd):
        second = loss_and_gradient(other, rows)
        assert first[0] == second[0]
        assert torch.equal(first[1], second[1])


def test_one_side_with_importance_sampling_has_the_gradient_of_the_clipped_surrogate() -> None:
    rec = gradient(REC(clip_mode="one_side", weight="importance_sampling"))
    clipped = gradient(Clipped())
    torch.testing.assert_close(rec[1], clipped[1], rtol=1e-10, atol=1e-12)
    assert rec[2]["objective/clip_fraction"].value() > 0.2


def test_the_masks_contain_one_another() -> None:
    inside = {}
    for mode in ("none", "one_side", "ring", "two_side"):
        loss = REC(clip_mode=mode, ring_low=0.3, ring_high=0.3)
        kept = gradient(loss)[1].abs().sum(-1) > 0
        inside[mode] = kept
    assert (inside["two_side"] <= inside["one_side"]).all()
    assert (inside["two_side"] <= inside["ring"]).all()
    assert (inside["one_side"] <= inside["none"]).all()
    counts = [int(inside[mode].sum()) for mode in ("two_side", "one_side", "none")]
    assert counts[0] < counts[1] < counts[2]
    assert int(inside["ring"].sum()) > counts[0]


def test_a_ring_without_reach_is_two_sided() -> None:
    two_side = gradient(REC(clip_mode="two_side"))
    ring = gradient(REC(clip_mode="ring", ring_low=1e9, ring_high=1e9))
    assert torch.equal(two_side[1], ring[1])


def test_a_hot_advantage_weight_is_no_weight_and_a_cold_one_stays_finite() -> None:
    plain, hot = gradient(REC()), gradient(REC(weight="advantage", temp=1e12))
    torch.testing.assert_close(hot[1], plain[1], rtol=1e-9, atol=1e-12)
    assert gradient(REC(weight="advantage", temp=1e-6))[1].isfinite().all()


def test_the_ratio_has_no_gradient() -> None:
    rows = stale(random_rows())
    loss = REC(weight="importance_sampling")
    weighted, plain = gradient(loss, rows), gradient(Reinforce(importance_weight=True), rows)
    torch.testing.assert_close(weighted[1], plain[1])


def test_the_regulariser_acts_on_tokens_out_of_range_too() -> None:
    rows = stale(random_rows())
    masked = gradient(REC(clip_mode="two_side"), rows)[1].abs().sum(-1) == 0
    masked &= rows.batch.mask > 0
    assert masked.any()
    for kind in ("k2", "forward_kl"):
        loss = REC(clip_mode="two_side", regularizer=kind, regularizer_coef=0.1)
        found = gradient(loss, rows)
        assert (found[1].abs().sum(-1)[masked] > 0).all()
        assert found[2]["objective/rec_regularizer"].value() > 0


def test_the_sequence_mode_needs_its_own_aggregation_and_its_weight_needs_the_mode() -> None:
    chosen = ("recipe=rl", "model=scratch", "objective=rec")
    weight = "objective.policy_loss.weight=gspo_importance_sampling"
    mode = "objective.policy_loss.clip_mode=gspo_one_side"
    with pytest.raises(ConfigError, match="needs a policy loss that is sequence-clipped"):
        prepare([*chosen, weight])
    with pytest.raises(ConfigError, match="seq_mean_token_mean because its clip judges whole"):
        prepare([*chosen, mode, weight])
    prepare([*chosen, mode, weight, "objective/aggregation=seq_mean_token_mean"])


@pytest.mark.parametrize(
    ("preset", "values"),
    [
        ("rec_one_side_is", ("one_side", "importance_sampling")),
        ("rec_one_side_no_is", ("one_side", "none")),
        ("rec_two_side_is", ("two_side", "importance_sampling")),
        ("rec_ring_no_is", ("ring", "none")),
        ("red_weight", ("none", "advantage")),
    ],
)
def test_named_variants_are_presets_of_the_loss(preset: str, values: tuple[str, str]) -> None:
    loss = composed("objective=rec", f"objective/policy_loss={preset}").policy_loss
    assert (loss.clip_mode, loss.weight) == values


def dropping(rows: Rows):  # type: ignore[no-untyped-def]
    rewards = torch.tensor([1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 3], dtype=torch.float64)
    return dataclasses.replace(rows.batch, rewards=rewards)


def test_balance_drops_the_surplus_of_bad_answers_and_recomputes_the_baseline() -> None:
    batch = dropping(random_rows())
    estimate = Advantage(drop="balance").estimate(batch, None)
    found = torch.where(batch.mask > 0, estimate.advantages, torch.nan).nanmean(-1)
    for group in (3, 0):
        own = found[(batch.groups == group) & (batch.mask.sum(-1) > 0)]
        assert own.max() == 0.5
        assert int((own == -0.5).sum()) <= 1
    assert estimate.metrics["objective/dropped_rows"] == pytest.approx(4 / 11)
    assert (found[batch.groups == 9] == 0).all()  # all alike: all count as positive
    assert found[batch.groups == 5].item() == 3


def test_a_group_with_more_good_than_bad_answers_drops_none() -> None:
    batch = dropping(random_rows())
    batch = dataclasses.replace(batch, rewards=(batch.groups == 3).double() * (batch.lengths > 1))
    estimate = Advantage(drop="balance").estimate(batch, None)
    plain = Advantage().estimate(batch, None)
    assert torch.equal(estimate.advantages, plain.advantages)


def test_what_is_dropped_belongs_to_rows_and_step_not_to_their_order() -> None:
    batch = dropping(random_rows())
    part = Advantage(drop="balance", std_normalize=True)
    order = torch.randperm(11, generator=torch.Generator().manual_seed(2))
    there = part.estimate(take(batch, order), None).advantages
    assert torch.equal(part.estimate(batch, None).advantages[order], there)
    steps = [
        part.estimate(dataclasses.replace(batch, step=step), None).advantages for step in range(8)
    ]
    assert any(not torch.equal(steps[0], other) for other in steps[1:])


def test_a_draw_without_keys_is_refused() -> None:
    batch = dataclasses.replace(dropping(random_rows()), row_seeds=None)
    with pytest.raises(DataError, match="drop=none"):
        Advantage(drop="balance").estimate(batch, None)


def test_the_std_is_the_population_one() -> None:
    batch = random_rows().batch
    found = Advantage(std_normalize=True, epsilon=0.0).estimate(batch, None).advantages
    statistics = group_statistics(batch.rewards, batch.groups, sample=False)
    assert found[0, 0] == pytest.approx(float((1 - statistics.mean[0]) / statistics.std[0]))
