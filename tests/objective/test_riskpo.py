"""RiskPO: bundles, tails, credit, and quantiles that are followed over steps."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from objective_cases import composed, random_rows, take
from torch import Tensor

from etude.build import build
from etude.errors import ConfigError
from etude.objective.advantage.riskpo import RiskPO
from etude.objective.batch import RolloutBatch
from etude.primitives.bundles import bundles_of
from etude.primitives.quantiles import LEVELS, QuantileTracker, empirical_quantile

torch.set_num_threads(1)


def batch_of(*groups: list[float]) -> RolloutBatch:
    rewards = torch.tensor([r for group in groups for r in group], dtype=torch.float64)
    ids = torch.tensor([g for g, group in enumerate(groups) for _ in group])
    ones = torch.ones(len(rewards), 1, dtype=torch.float64)
    return RolloutBatch(
        groups=ids,
        rewards=rewards,
        token_rewards=ones,
        mask=ones,
        old_logprobs=-ones,
        lengths=torch.ones_like(ids),
        truncated=ids < 0,
        width=1,
        row_seeds=torch.arange(len(rewards)),
    )


def advantages(part: RiskPO, batch: RolloutBatch, values: list[float] | None = None) -> Tensor:
    return part.estimate(batch, QuantileTracker(values)).advantages[:, 0]


def at(low: float, high: float) -> list[float]:
    """Return tracked quantiles with the given ones at levels 0.2 and 0.8."""
    return [low if level < 0.5 else high for level in LEVELS]


PLAIN = RiskPO(bundle_size=1, beta=0.8, credit="uniform", divide_by_std=False)


def test_papers_hold_the_kth_answer_of_every_question_and_use_each_once() -> None:
    batch = batch_of([1, 2, 3], [10, 20, 30], [100, 200, 300], [1000, 2000, 3000])
    bundles = bundles_of(batch.rewards, batch.groups, 3, batch.row_seeds)
    assert [bundle.scores.tolist() for bundle in bundles] == [[111, 222, 333], [1000, 2000, 3000]]
    assert sorted(torch.cat([b.rows.flatten() for b in bundles]).tolist()) == list(range(12))


def test_the_smallest_group_decides_and_the_rows_beyond_have_no_advantage() -> None:
    batch = batch_of([0.0, 1.0, 5.0], [1.0, 1.0])
    estimate = RiskPO(bundle_size=2).estimate(batch, QuantileTracker(at(1.5, 3.0)))
    assert estimate.advantages[2, 0] == 0
    assert (estimate.advantages[[0, 1, 3, 4], 0] < 0).all()
    assert estimate.metrics["objective/riskpo_unused_rows"] == pytest.approx(0.2)


def test_wide_levels_without_tail_or_baseline_are_linear_in_the_score() -> None:
    part = dataclasses.replace(
        PLAIN, alpha=0.0, beta=1.0, tail="none", natural_baseline=False, quantiles="batch"
    )
    scores = [0.0, 3.0, 1.0, 7.0]
    expected = torch.tensor(scores, dtype=torch.float64) / (1 + part.epsilon)
    torch.testing.assert_close(advantages(part, batch_of(scores)), expected)


@pytest.mark.parametrize("tail", ["lower", "upper", "none"])
@pytest.mark.parametrize("natural", [True, False])
@pytest.mark.parametrize("tracked", [None, at(1.0, 3.0), at(3.0, 1.0)])
def test_a_better_score_never_has_a_lower_advantage(
    tail: str, natural: bool, tracked: list[float] | None
) -> None:
    part = dataclasses.replace(PLAIN, tail=tail, natural_baseline=natural)
    found = advantages(part, batch_of([0.0, 0.5, 1.0, 2.0, 2.5, 3.0, 4.0]), tracked)
    assert (found.diff() >= 0).all()
    assert found[-1] > found[0]


def test_what_is_mastered_is_not_pushed_and_total_failure_is() -> None:
    batch = batch_of([4.0, 5.0], [4.0, 4.5])
    assert (advantages(RiskPO(bundle_size=2), batch, at(1.0, 3.0)) == 0).all()
    failed = advantages(RiskPO(bundle_size=2), batch_of([0.0, 0.0], [0.0, 0.0]), at(1.0, 3.0))
    assert (failed < -1).all()
    assert (failed > -100).all()  # their std is 0, and ε is no measure of it


def test_bundles_of_one_with_their_own_quantiles_are_a_rule_for_each_question() -> None:
    part = dataclasses.replace(PLAIN, quantiles="batch")
    groups = ([0.0, 1.0, 2.0, 3.0], [5.0, 5.0, 9.0, 1.0])
    together = advantages(part, batch_of(*groups))
    alone = torch.cat([advantages(part, batch_of(group)) for group in groups])
    assert torch.equal(together, alone)


def test_the_first_step_uses_the_bundles_own_quantiles_and_later_ones_the_tracked() -> None:
    part, state = PLAIN, PLAIN.make_state()
    first = part.estimate(batch_of([0.0, 1.0, 2.0, 3.0]), state)
    assert first.metrics["objective/riskpo_quantile_low"] == pytest.approx(0.6)
    assert state.at(0.2) == pytest.approx(0.6)
    second = part.estimate(batch_of([10.0, 11.0, 12.0, 13.0]), state)
    assert second.metrics["objective/riskpo_quantile_low"] == pytest.approx(0.6)
    assert state.at(0.2) == pytest.approx(0.6 + 0.1 * 0.2)  # no score lies below it
    forgetful = dataclasses.replace(part, forget_quantiles=True)
    third = forgetful.estimate(batch_of([0.0, 1.0, 2.0, 3.0]), state)
    assert torch.equal(third.advantages, first.advantages)


def test_mixed_quantiles_are_the_mean_of_tracked_and_own() -> None:
    part = dataclasses.replace(PLAIN, quantiles="mix")
    batch = batch_of([0.0, 1.0, 2.0, 3.0])
    estimate = part.estimate(batch, QuantileTracker(at(1.0, 4.0)))
    assert estimate.metrics["objective/riskpo_quantile_low"] == pytest.approx((0.6 + 1.0) / 2)
    assert estimate.metrics["objective/riskpo_quantile_high"] == pytest.approx((2.4 + 4.0) / 2)


def test_the_tracker_comes_to_the_empirical_quantiles_of_stationary_scores() -> None:
    noise = torch.Generator().manual_seed(0)
    tracker = QuantileTracker([0.0] * len(LEVELS))
    for step in range(1500):
        tracker.update(torch.rand(64, generator=noise), rate=0.1 if step < 1000 else 0.01)
    assert tracker.values == pytest.approx(list(LEVELS), abs=0.03)


def test_the_tracker_survives_its_own_saved_form() -> None:
    tracker, fresh = QuantileTracker(), QuantileTracker()
    assert tracker.state_dict() == {"values": None}
    tracker.update(torch.tensor([0.0, 1.0, 5.0]), 0.1)
    fresh.load_state_dict(tracker.state_dict())
    assert fresh == tracker
    fresh.update(torch.tensor([9.0]), 0.5)
    assert fresh != tracker


def test_credit_by_std_score_and_share() -> None:
    batch, tracked = batch_of([0.0, 1.0, 1.0], [0.0, 0.0, 0.0]), at(0.5, 2.0)
    parts = {
        credit: advantages(dataclasses.replace(PLAIN, bundle_size=2, credit=credit), batch, tracked)
        for credit in ("uniform", "std", "score", "sum_mean")
    }
    paper = parts["uniform"][:3]
    assert torch.equal(parts["uniform"][3:], paper)
    std = float(torch.tensor([0.0, 1.0, 1.0]).std())
    torch.testing.assert_close(parts["std"][:3], paper / (std + 1e-6))
    torch.testing.assert_close(parts["std"][3:], paper / (1 + 1e-6))  # all alike: std counts as 1
    torch.testing.assert_close(parts["score"][:3], paper * torch.tensor([1.5, 0.5, 0.5]).double())
    torch.testing.assert_close(parts["sum_mean"][:3], paper)  # the other question is all alike
    assert (parts["sum_mean"][3:] == 0).all()
    alike = dataclasses.replace(PLAIN, bundle_size=2, credit="sum_mean")
    flat = batch_of([1.0, 1.0], [0.0, 0.0])
    whole = advantages(dataclasses.replace(alike, credit="uniform"), flat, tracked)
    torch.testing.assert_close(advantages(alike, flat, tracked), whole / 2)


def test_the_mean_baseline_is_the_integral_over_the_tracked_quantiles() -> None:
    part = dataclasses.replace(PLAIN, tail="none", mean_baseline=True)
    bare = dataclasses.replace(part, mean_baseline=False)
    batch, tracked = batch_of([0.0, 1.0, 2.0]), [10 * level for level in LEVELS]
    shift = advantages(bare, batch, tracked) - advantages(part, batch, tracked)
    heights = torch.tensor([min(max(q, 2.0), 8.0) - 8.0 for q in tracked])
    integral = float(((heights[1:] + heights[:-1]) / 2 * 0.05).sum())
    torch.testing.assert_close(shift, torch.full_like(shift, integral / (0.6 + 1e-6)))
    first = advantages(part, batch)  # no quantiles yet: nothing to subtract
    assert torch.equal(first, advantages(bare, batch))


def test_a_quantile_is_linear_between_two_scores() -> None:
    scores = torch.tensor([3.0, 1.0, 2.0, 4.0])
    assert empirical_quantile(scores, 0.5) == pytest.approx(2.5)
    assert empirical_quantile(scores, 0.2) == pytest.approx(1.6)


def test_the_order_of_rows_changes_nothing_not_even_who_shares_a_paper() -> None:
    batch = random_rows().batch
    order = torch.randperm(11, generator=torch.Generator().manual_seed(3))
    part = RiskPO(bundle_size=2)
    one = part.estimate(batch, part.make_state()).advantages
    other = part.estimate(take(batch, order), part.make_state()).advantages
    assert one.abs().max() > 0
    torch.testing.assert_close(one[order], other)


def test_levels_in_the_wrong_order_are_refused_before_the_first_step() -> None:
    with pytest.raises(ConfigError, match=r"objective.advantage.alpha  is 0.8, not below"):
        build({"name": "riskpo", "alpha": 0.8, "beta": 0.2}, "objective/advantage")


def test_the_script_for_dapo_math_is_a_preset() -> None:
    part = composed("objective=riskpo", "objective/advantage=riskpo_sum_mean").advantage
    assert (part.credit, part.natural_baseline) == ("sum_mean", False)


def test_a_score_at_a_quantile_is_not_below_it() -> None:
    tracker = QuantileTracker([1.0] * len(LEVELS))
    tracker.update(torch.tensor([1.0, 1.0]), 0.1)
    assert tracker.values == pytest.approx([1.0 + 0.1 * level for level in LEVELS])
