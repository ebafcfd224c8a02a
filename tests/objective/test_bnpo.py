"""BNPO: what the Beta density of success rates does to advantages."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from objective_cases import composed, random_rows
from torch import Tensor

from etude.errors import ConfigError, DataError
from etude.objective.advantage.bnpo import BNPO
from etude.objective.advantage.dr_grpo import GroupCentred
from etude.objective.advantage.grpo import GroupRelative
from etude.objective.batch import RolloutBatch
from etude.primitives.beta import fit_beta, inverse_beta_density

torch.set_num_threads(1)


def batch_of(*groups: list[float], parts: dict[str, list[float]] | None = None) -> RolloutBatch:
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
        parts={name: torch.tensor(value) for name, value in (parts or {}).items()},
    )


def advantages(part: object, batch: RolloutBatch) -> Tensor:
    return part.estimate(batch, None).advantages[:, 0]  # type: ignore[attr-defined]


MIXED = ([1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 1.0, 0.0])


def test_a_uniform_density_leaves_the_mean_baseline() -> None:
    batch = batch_of([1.0, 0.0, 1.0, 0.0])  # one prompt: nothing to fit
    torch.testing.assert_close(advantages(BNPO(), batch), advantages(GroupCentred(), batch))
    wide = batch_of([1.0, 1.0], [0.0, 0.0], [1.0, 0.0])  # rates 1, 0, 1/2: V = M(1 − M)
    torch.testing.assert_close(advantages(BNPO(), wide), advantages(GroupCentred(), wide))


def test_three_halves_is_grpo_up_to_a_constant() -> None:
    batch = batch_of(*MIXED)
    estimate = BNPO().estimate(batch, None)
    assert estimate.metrics["objective/bnpo_alpha"] == pytest.approx(1.5)
    assert estimate.metrics["objective/bnpo_beta"] == pytest.approx(1.5)
    grpo = advantages(GroupRelative(std="population", epsilon=0.0), batch)
    torch.testing.assert_close(estimate.advantages[:, 0], grpo * math.pi / 8)


def test_swapping_right_and_wrong_turns_the_sign_and_swaps_the_parameters() -> None:
    groups = ([1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0])
    turned = tuple([1.0 - r for r in group] for group in groups)
    one, other = (BNPO().estimate(batch_of(*each), None) for each in (groups, turned))
    torch.testing.assert_close(one.advantages, -other.advantages)
    assert one.metrics["objective/bnpo_alpha"] != one.metrics["objective/bnpo_beta"]
    assert one.metrics["objective/bnpo_alpha"] == pytest.approx(
        other.metrics["objective/bnpo_beta"]
    )


def test_the_advantages_of_a_group_add_up_to_zero() -> None:
    batch = batch_of(*MIXED, [1.0, 0.0])
    found = advantages(BNPO(), batch)
    assert found.abs().max() > 0
    for group in batch.groups.unique():
        assert found[batch.groups == group].sum().abs() < 1e-12


def test_groups_all_right_or_all_wrong_have_no_advantage_whatever_their_weight() -> None:
    found = advantages(BNPO(), batch_of(*MIXED, [1.0, 1.0], [0.0, 0.0]))
    assert found.isfinite().all()
    assert (found[-4:] == 0).all()


def test_rates_without_spread_weigh_one_and_give_no_nan() -> None:
    for same in ([1.0, 0.0], [1.0, 1.0], [0.0, 0.0]):
        batch = batch_of(same, same, same)
        torch.testing.assert_close(advantages(BNPO(), batch), advantages(GroupCentred(), batch))


def test_a_group_of_one_row_keeps_its_reward() -> None:
    groups = ([1.0, 0.0], [1.0, 1.0, 0.0], [1.0, 0.0, 1.0, 0.0], [1.0])
    estimate = BNPO().estimate(batch_of(*groups), None)
    assert estimate.metrics["objective/bnpo_alpha"] > 1  # the density at its rate of 0 is 0
    assert estimate.advantages[-1, 0] == 1


def test_zero_to_the_zero_is_one_and_a_density_of_zero_is_capped() -> None:
    rates = torch.tensor([0.0, 1.0], dtype=torch.float64)
    assert inverse_beta_density(rates, 1.0, 1.0, 1e6).tolist() == [1.0, 1.0]
    assert inverse_beta_density(rates, 1.0, 2.0, 1e6).tolist() == pytest.approx([0.5, 1e6])
    assert inverse_beta_density(rates, 2.0, 1.0, 50.0).tolist() == pytest.approx([50.0, 0.5])


def test_a_variance_beyond_any_beta_density_gives_the_uniform_one() -> None:
    fit = fit_beta(torch.tensor([0.0, 1.0]))  # the sample variance 1/2 is above M(1 − M) = 1/4
    assert (fit.alpha, fit.beta) == (1.0, 1.0)


def test_parts_are_normalised_each_on_its_own() -> None:
    accuracy, form = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0], [1.0, 1.0, 0.0, 1.0, 1.0, 0.0]
    batch = batch_of([9.0, 9.0, 9.0, 9.0], [9.0, 9.0], parts={"accuracy": accuracy, "form": form})
    both = BNPO(parts=["accuracy", "form"]).estimate(batch, None)
    alone = [
        advantages(BNPO(), dataclasses.replace(batch, rewards=batch.parts[name].double()))
        for name in ("accuracy", "form")
    ]
    torch.testing.assert_close(both.advantages[:, 0], (alone[0] + alone[1]) / 2)
    assert both.metrics["objective/bnpo_rate_mean/accuracy"] == 0.375
    assert both.metrics["objective/bnpo_rate_mean/form"] == 0.625


def test_a_part_that_the_verifier_does_not_give_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"names style.*it gives: accuracy"):
        BNPO(parts=["style"]).estimate(batch_of([1.0], parts={"accuracy": [1.0]}), None)


def test_rewards_beyond_a_given_range_are_refused_and_say_what_to_type() -> None:
    batch = batch_of([1.1, 1.1], [0.0, 1.1])
    with pytest.raises(DataError, match=r"objective\.advantage\.max_reward"):
        BNPO(max_reward=1.0).estimate(batch, None)
    scaled = batch_of([1.0, 1.0], [0.0, 1.0])
    for part in (BNPO(), BNPO(max_reward=1.1)):  # null widens the range to the highest reward
        torch.testing.assert_close(advantages(part, batch), advantages(BNPO(), scaled))
    with pytest.raises(ConfigError, match="must be above"):
        BNPO(min_reward=1.0, max_reward=1.0).estimate(batch, None)


def test_it_combines_with_the_parts_of_other_methods() -> None:
    mixed = composed("objective=grpo", "objective/advantage=bnpo", "objective/policy_loss=cispo")
    assert mixed.advantages(random_rows().batch).abs().max() > 0
