"""BroRL: the balance of probability, its measure on answers, and advantages of the whole batch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.func import jvp

from etude.errors import DataError
from etude.objective.advantage.whole_batch import WholeBatch
from etude.objective.batch import RolloutBatch, place_outcome
from etude.objective.shaping.mass_balance import MassBalance
from etude.objective.shaping.stop_properly import StopProperly
from etude.primitives.mass import Mass, expected_unsampled, logit_changes, pass_at


def outcomes(seed: int, chosen: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return logits, which outcomes are right, and which are sampled."""
    noise = torch.Generator().manual_seed(seed)
    logits = torch.randn(12, generator=noise, dtype=torch.float64)
    correct = torch.rand(12, generator=noise) < 0.4
    sampled = torch.zeros(12, dtype=torch.bool)
    sampled[torch.randperm(12, generator=noise)[:chosen]] = True
    return logits, correct, sampled


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("rewards", [(1.0, -1.0), (0.7, -0.2), (1.0, 0.0)])
def test_the_balance_is_the_derivative_of_the_right_mass(
    seed: int, rewards: tuple[float, float]
) -> None:
    logits, correct, sampled = outcomes(seed, chosen=5)
    chances = logits.softmax(-1)
    mass = Mass.of(chances, correct, sampled, *rewards)
    step = logit_changes(chances, correct, sampled, mass, rate=0.3)
    _, moved = jvp(lambda z: z.softmax(-1)[correct].sum(), (logits,), (step,))
    torch.testing.assert_close(mass.change(0.3), moved, rtol=1e-10, atol=1e-14)
    assert mass.by_sampled_right() >= 0 and mass.by_sampled_wrong() >= 0


def test_outcomes_that_were_not_sampled_matter_only_where_there_are_some_and_a_signal() -> None:
    logits, correct, _ = outcomes(0, chosen=0)
    every = Mass.of(logits.softmax(-1), correct, torch.ones(12, dtype=torch.bool))
    assert every.by_unsampled() == 0
    balanced = Mass.of(
        torch.full((4,), 0.25, dtype=torch.float64),
        torch.tensor([True, True, False, False]),
        torch.tensor([True, False, True, False]),
    )
    assert balanced.baseline == 0 and balanced.by_unsampled() == 0


def test_what_samples_miss_falls_with_their_number() -> None:
    chances = torch.tensor([0.01, 0.2], dtype=torch.float64)
    few, many = (expected_unsampled(chances, n) for n in (16, 512))
    assert (many < 0.01 * few).all()
    assert pass_at(torch.tensor(0.5), 8) > pass_at(torch.tensor(0.5), 1)


def batch(answers: list[list[int]], groups: list[int], chances: dict[int, float]) -> RolloutBatch:
    """Return answers of one token each, right where it is even, and how probable they were."""
    tokens = torch.tensor(answers)
    logs = torch.tensor([[chances[token] for token in row] for row in answers]).double().log()
    right = torch.tensor([float(row[0] % 2 == 0) for row in answers], dtype=torch.float64)
    lengths = torch.ones(len(answers), dtype=torch.long)
    return RolloutBatch(
        groups=torch.tensor(groups),
        rewards=right,
        token_rewards=place_outcome(right, lengths, 1),
        mask=torch.ones(len(answers), 1, dtype=torch.float64),
        old_logprobs=logs,
        sampler_logprobs=logs,
        lengths=lengths,
        truncated=torch.zeros(len(answers), dtype=torch.bool),
        width=1,
        tokens=tokens,
        parts={"accuracy": right},
    )


CHANCES = {1: 0.4, 2: 0.3, 3: 0.2, 4: 0.1}


def test_an_answer_that_came_twice_is_one_outcome() -> None:
    given = batch([[2], [1], [2], [2], [1], [3]], [0] * 6, CHANCES)
    same, found = MassBalance().shape(given, None)
    assert same is given
    assert found["objective/mass_unsampled"] == pytest.approx(0.1)
    assert found["objective/mass_reach"] == pytest.approx(1 - 0.5**6)
    # S = 0.3 − 0.6; half of the answers are right, so that 0.2 of right mass was not sampled.
    sampled = 1.3 * 0.5 * 0.09 + 0.7 * 0.5 * (0.16 + 0.04)
    assert found["objective/mass_sampled"] == pytest.approx(sampled)
    assert found["objective/mass_least"] == pytest.approx(sampled)
    assert found["objective/mass_sure"] == 1.0


def test_the_least_is_never_above_what_a_step_does() -> None:
    """Where the share of right answers is that of the distribution."""
    chances = {2: 0.25, 4: 0.25, 6: 0.25, 1: 0.125, 3: 0.125}
    correct = torch.tensor([token % 2 == 0 for token in chances])
    for shown in ([2, 4, 2, 1], [2, 2, 2, 3], [6, 4, 2, 3]):
        _, found = MassBalance().shape(batch([[t] for t in shown], [0] * 4, chances), None)
        sampled = torch.tensor([token in shown for token in chances])
        truth = Mass.of(torch.tensor(list(chances.values())).double(), correct, sampled)
        assert found["objective/mass_least"] <= float(truth.change()) + 1e-12


def test_groups_are_measured_by_themselves_and_what_was_given_is_not_measured() -> None:
    one, other = ([[2], [1], [4]], [0] * 3), ([[3], [1]], [5] * 2)
    means = [MassBalance().shape(batch(*each, CHANCES), None)[1] for each in (one, other)]
    both = batch(one[0] + other[0], one[1] + other[1], CHANCES)
    _, found = MassBalance().shape(both, None)
    for name, value in found.items():
        assert value == pytest.approx((means[0][name] + means[1][name]) / 2)
    given = torch.tensor([[0.0], [0], [0], [1], [1]])
    _, found = MassBalance().shape(replace(both, off_policy=given), None)
    assert found == pytest.approx(means[0])


def test_rows_without_log_probs_of_the_engine_are_refused() -> None:
    bare = replace(batch([[2]], [0], CHANCES), sampler_logprobs=None)
    with pytest.raises(DataError, match=r"leave it out of objective\.shaping"):
        MassBalance().shape(bare, None)


def advantages(rewards: list[float], groups: list[int], **options: Any) -> list[float]:
    given = batch([[1]] * len(rewards), groups, CHANCES)
    given = replace(given, rewards=torch.tensor(rewards, dtype=torch.float64))
    found = WholeBatch(**options).estimate(given, None).advantages
    return [row[0] for row in found.tolist()]


def test_every_row_counts_once_in_the_spread_of_the_batch() -> None:
    found = torch.tensor(advantages([1, 0, 0, 0, 1, 1], [0, 0, 0, 0, 1, 1]))
    assert float(found.mean()) == pytest.approx(0, abs=1e-12)
    assert float(found.std()) == pytest.approx(1)
    assert found[4:].tolist() == [0, 0]


def test_groups_of_one_answer_and_steps_without_signal_have_no_advantages() -> None:
    assert advantages([1.0, 0.0, 0.3], [0, 1, 2]) == [0, 0, 0]
    assert advantages([0.1] * 3, [0] * 3) == [0, 0, 0]
    assert advantages([0.7], [0]) == [0]
    assert advantages([0.7], [0], std="population") == [0]


def test_a_cut_answer_keeps_a_share_of_its_reward_or_gets_another() -> None:
    given = replace(batch([[2], [1], [2]], [0] * 3, CHANCES), truncated=torch.tensor([1, 1, 0]) > 0)
    for coef, expected in ((1.0, [1, 0, 1]), (0.25, [0.25, 0, 1]), (-1.0, [-1, -1, 1])):
        shaped, found = StopProperly(coef=coef).shape(given, None)
        assert shaped.rewards.tolist() == expected == shaped.token_rewards.sum(-1).tolist()
        change = (sum(expected) - 2) / 3
        assert found["objective/stop_properly"] == pytest.approx(change)
    assert StopProperly(coef=1.0).shape(given, None)[0].rewards.equal(given.rewards)
