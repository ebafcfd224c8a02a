"""OPMD and AsymRE: baselines, and the three mirror-descent losses."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from objective_cases import RowForward, Rows, composed, loss_and_gradient
from objective_cases import random_rows as plain_rows
from torch import Tensor

from etude.config.prepare import prepare
from etude.errors import ConfigError, DataError
from etude.objective.advantage.asymre import AsymRE
from etude.objective.advantage.dr_grpo import GroupCentred
from etude.objective.advantage.opmd import OPMD as Baseline
from etude.objective.batch import KnownLogprobs, LossBatch, totals_of
from etude.objective.policy_loss.opmd import OPMD
from etude.objective.policy_loss.opmd_kimi import KimiOPMD
from etude.objective.policy_loss.opmd_pairwise import PairwiseOPMD
from etude.objective.policy_loss.rec import REC
from etude.objective.policy_loss.reinforce import Reinforce
from etude.primitives.groups import group_statistics
from token_logprobs import logprobs_of

torch.set_num_threads(1)


def random_rows() -> Rows:
    """Return random rows in groups of 4, 4 (all alike), 2 and 1, with graded rewards."""
    rows = plain_rows()
    rewards = torch.tensor([1, 0, 0, 1, 1, 1, 1, 1, 0.5, 2, 0.3], dtype=torch.float64)
    return Rows(dataclasses.replace(rows.batch, rewards=rewards), rows.logits, rows.tokens)


def base(**parts):  # type: ignore[no-untyped-def]
    return dataclasses.replace(composed("objective=opmd"), **parts)


def on_policy(rows: Rows) -> Rows:
    current = logprobs_of(rows.logits, rows.tokens)
    return Rows(dataclasses.replace(rows.batch, old_logprobs=current), rows.logits, rows.tokens)


def test_without_temperature_it_is_reinforce_with_the_mean_as_baseline() -> None:
    reinforce = base(advantage=GroupCentred(), policy_loss=Reinforce())
    first = loss_and_gradient(base(policy_loss=OPMD(tau=0.0)), random_rows())
    second = loss_and_gradient(reinforce, random_rows())
    assert first[0] == second[0]
    assert torch.equal(first[1], second[1])
    halved = loss_and_gradient(base(), random_rows())
    torch.testing.assert_close(halved[1] * 2, first[1])


@pytest.mark.parametrize("tau", [0.5, 1.0, 3.0])
def test_at_the_sampling_policy_the_penalty_is_zero_and_without_gradient(tau: float) -> None:
    rows = on_policy(random_rows())
    kimi = loss_and_gradient(base(policy_loss=KimiOPMD(tau=tau)), rows)
    simple = loss_and_gradient(base(policy_loss=OPMD(tau=tau)), rows)
    scale = (1 + tau) / max(1.0, tau)
    torch.testing.assert_close(kimi[1], simple[1] * scale)
    assert float(kimi[0]) == pytest.approx(float(simple[0]) * scale)


def test_away_from_it_the_penalty_is_the_square_of_the_whole_answer() -> None:
    rows, tau = random_rows(), 0.5
    mask, tokens = rows.batch.mask, rows.batch.mask.sum()
    current = logprobs_of(rows.logits, rows.tokens)
    moved = ((current - rows.batch.old_logprobs) * mask).sum(-1)
    with_penalty = loss_and_gradient(base(policy_loss=KimiOPMD(tau=tau)), rows)
    without = loss_and_gradient(base(policy_loss=OPMD(tau=0.0)), rows)
    expected = float(tau / 2 * moved.square().sum() / tokens)
    assert float(with_penalty[0] - without[0]) == pytest.approx(expected)
    logged = with_penalty[2]["objective/answer_log_ratio"].value()
    assert logged == pytest.approx(float(moved[mask.sum(-1) > 0].mean()))


def test_the_tilted_baseline_lies_between_the_mean_and_the_best_reward() -> None:
    batch = random_rows().batch
    statistics = group_statistics(batch.rewards, batch.groups)
    several = ~statistics.flat & (statistics.size > 1)

    def baseline(tau: float) -> Tensor:
        part = Baseline(baseline="logavgexp", tau=tau)
        rows = dataclasses.replace(batch, mask=torch.ones_like(batch.mask))
        return (batch.rewards - part.estimate(rows, None).advantages[:, 0])[several]

    mean = statistics.mean[several]
    best = torch.stack([batch.rewards[batch.groups == g].max() for g in batch.groups])[several]
    assert (baseline(1.0) > mean).all()
    assert (baseline(0.5) > baseline(1.0)).all()
    torch.testing.assert_close(baseline(1e5), mean, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(baseline(1e-3), best, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("kind", ["mean", "logavgexp"])
def test_equal_rewards_have_no_advantage_and_a_lone_row_keeps_its_reward(kind: str) -> None:
    batch = random_rows().batch
    found = Baseline(baseline=kind, tau=0.1).estimate(batch, None).advantages
    assert (found[batch.groups == 0] == 0).all()
    assert found[-1, 0] == pytest.approx(0.3)


def test_a_tilted_baseline_without_temperature_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"objective\.advantage\.tau"):
        prepare(["recipe=rl", "model=scratch", "objective=opmd", "objective.advantage.tau=0"])


def update_batch(rows: Rows) -> LossBatch:
    batch = rows.batch
    assert batch.row_seeds is not None
    return LossBatch(
        old_logprobs=batch.old_logprobs,
        advantages=torch.zeros_like(batch.mask),
        mask=batch.mask,
        groups=batch.groups,
        row_seeds=batch.row_seeds,
        step=0,
        totals=totals_of(batch.mask, batch.groups, width=batch.width),
        rewards=batch.rewards,
    )


def pairwise(rows: Rows, cuts: list[list[int]], tau: float) -> tuple[float, Tensor]:
    whole, logits = update_batch(rows), rows.logits.clone().requires_grad_()
    objective = base(policy_loss=PairwiseOPMD(tau=tau))
    assert objective.whole_groups
    total = 0.0
    for cut in cuts:
        at = torch.tensor(cut)
        part = objective.loss(whole.select(at), RowForward(logits[at], rows.tokens[at]))
        part.total.backward()
        total += float(part.total.detach())
    assert logits.grad is not None
    return total, logits.grad


@pytest.mark.parametrize("tau", [0.5, 3.0])
def test_the_pairwise_loss_is_the_spread_and_has_the_gradient_of_reinforce(tau: float) -> None:
    rows = random_rows()
    value, gradient = pairwise(rows, [list(range(11))], tau)
    statistics = group_statistics(rows.batch.rewards, rows.batch.groups)
    centred = statistics.centre(rows.batch.rewards) * (statistics.size > 1)
    scale = max(1.0, tau)
    assert value == pytest.approx(float(centred.square().sum() / rows.batch.mask.sum() / scale))
    # a lone row keeps its reward in REINFORCE and adds nothing here
    batch = dataclasses.replace(
        rows.batch, rewards=torch.where(statistics.size > 1, rows.batch.rewards, 0.0)
    )
    reinforce = loss_and_gradient(
        base(advantage=GroupCentred(), policy_loss=Reinforce()),
        Rows(batch, rows.logits, rows.tokens),
    )
    torch.testing.assert_close(gradient, reinforce[1] * 2 * tau / scale)


def test_the_pairwise_loss_adds_over_micro_batches_of_whole_groups() -> None:
    rows = random_rows()
    whole = pairwise(rows, [list(range(11))], 1.0)
    parts = pairwise(rows, [[8, 9], [0, 1, 2, 3, 10], [7, 4, 5, 6]], 1.0)
    assert parts[0] == pytest.approx(whole[0])
    torch.testing.assert_close(parts[1], whole[1])


def test_the_pairwise_loss_needs_rewards_and_weights_multiply_its_gradient() -> None:
    rows, objective = random_rows(), base(policy_loss=PairwiseOPMD())
    forward = RowForward(rows.logits, rows.tokens)
    batch = update_batch(rows)
    with pytest.raises(DataError, match="opmd_pairwise reads the reward"):
        objective.loss(dataclasses.replace(batch, rewards=None), forward)
    weights = torch.linspace(0, 2, batch.mask.numel(), dtype=torch.float64).view_as(batch.mask)
    weighted = dataclasses.replace(batch, rollout_weights=weights)
    given = [forward.logprobs.detach().requires_grad_() for _ in range(2)]
    losses = [
        objective.loss(each, KnownLogprobs(logprobs)).total
        for each, logprobs in zip((batch, weighted), given, strict=True)
    ]
    assert losses[0] == losses[1]
    sum(losses).backward()
    assert given[0].grad is not None
    assert given[0].grad.abs().max() > 0
    torch.testing.assert_close(given[1].grad, given[0].grad * weights)


def test_without_a_shift_asymmetric_reinforce_has_the_mean_as_baseline() -> None:
    batch = random_rows().batch
    plain = GroupCentred().estimate(batch, None).advantages
    assert torch.equal(AsymRE(shift=0.0).estimate(batch, None).advantages, plain)


@pytest.mark.parametrize("shift", [-0.1, -0.7, 0.3])
def test_the_shift_is_a_likelihood_term(shift: float) -> None:
    rows = random_rows()
    several = torch.tensor([True] * 10 + [False])  # the shift leaves a lone row alone
    batch = dataclasses.replace(
        rows.batch, mask=rows.batch.mask * several.unsqueeze(-1).to(rows.batch.mask.dtype)
    )
    rows = Rows(batch, rows.logits, rows.tokens)
    shifted = loss_and_gradient(base(advantage=AsymRE(shift=shift), policy_loss=Reinforce()), rows)
    plain = loss_and_gradient(base(advantage=GroupCentred(), policy_loss=Reinforce()), rows)
    logprob = logprobs_of(rows.logits, rows.tokens)
    mean = (logprob * batch.mask).sum() / batch.mask.sum()
    assert float(shifted[0] - plain[0]) == pytest.approx(float(shift * mean))
    if shift < 0:
        loss = REC(regularizer="forward_kl", regularizer_coef=-shift)
        rec = loss_and_gradient(base(advantage=GroupCentred(), policy_loss=loss), rows)
        torch.testing.assert_close(rec[1], shifted[1])


def test_a_group_that_is_all_wrong_is_pulled_a_little_and_a_lone_row_is_not_shifted() -> None:
    batch = dataclasses.replace(random_rows().batch, rewards=torch.zeros(11, dtype=torch.float64))
    estimate = AsymRE().estimate(batch, None)
    assert (estimate.advantages[0][batch.mask[0] > 0] == 0.1).all()
    assert (estimate.advantages[-1] == 0).all()
    assert estimate.metrics["objective/positive_advantages"] == pytest.approx(10 / 11)
