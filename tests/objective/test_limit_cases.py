"""Where two methods coincide, and what a gradient must be."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from objective_cases import Rows, composed, loss_and_gradient, random_rows

from etude.objective.advantage.dr_grpo import GroupCentred
from etude.objective.advantage.grpo import GroupRelative
from etude.objective.advantage.reinforce_plus_plus import WhitenedReturns
from etude.objective.advantage.rloo import LeaveOneOut
from etude.objective.aggregation.fixed_length import FixedLength
from etude.objective.aggregation.seq_mean_token_mean import SequenceMeanTokenMean
from etude.objective.aggregation.seq_mean_token_sum import SequenceMeanTokenSum
from etude.objective.aggregation.token_mean import TokenMean
from etude.objective.batch import place_outcome
from etude.objective.policy_loss.cispo import CISPO
from etude.objective.policy_loss.clipped import Clipped
from etude.objective.policy_loss.gspo import GSPO
from etude.objective.policy_loss.reinforce import Reinforce
from etude.objective.policy_loss.sequence_clipped import SequenceClipped
from etude.objective.regularizer.entropy import Entropy
from etude.objective.regularizer.kl import KL
from token_logprobs import logprobs_of

torch.set_num_threads(1)


def base(**parts):  # type: ignore[no-untyped-def]
    return dataclasses.replace(composed("objective=grpo"), **parts)


def on_policy(rows: Rows) -> Rows:
    current = logprobs_of(rows.logits, rows.tokens)
    return Rows(dataclasses.replace(rows.batch, old_logprobs=current), rows.logits, rows.tokens)


def of_lengths(rows: Rows, lengths: torch.Tensor) -> Rows:
    width = rows.logits.shape[1]
    mask = (torch.arange(width) < lengths.unsqueeze(-1)).double()
    token_rewards = place_outcome(rows.batch.rewards, lengths, width)
    batch = dataclasses.replace(rows.batch, lengths=lengths, mask=mask, token_rewards=token_rewards)
    return Rows(batch, rows.logits, rows.tokens)


def same(a, b, rows: Rows, scale: float = 1.0) -> None:  # type: ignore[no-untyped-def]
    first, second = loss_and_gradient(a, rows), loss_and_gradient(b, rows)
    assert first[1].abs().max() > 0
    torch.testing.assert_close(first[1] * scale, second[1], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    "loss", [Clipped(), CISPO(), Reinforce(importance_weight=True), Clipped(dual_clip=3.0)]
)
def test_at_ratio_one_every_ratio_loss_has_the_gradient_of_reinforce(loss) -> None:  # type: ignore[no-untyped-def]
    rows = on_policy(random_rows())
    for aggregation in (TokenMean(), SequenceMeanTokenMean(), FixedLength()):
        same(
            base(policy_loss=loss, aggregation=aggregation),
            base(policy_loss=Reinforce(), aggregation=aggregation),
            rows,
        )


@pytest.mark.parametrize(
    ("loss", "aggregation"),
    [(GSPO(), SequenceMeanTokenMean()), (SequenceClipped(), SequenceMeanTokenSum())],
)
def test_at_ratio_one_sequence_losses_have_the_gradient_of_reinforce(loss, aggregation) -> None:  # type: ignore[no-untyped-def]
    rows = on_policy(random_rows())
    reinforce = base(policy_loss=Reinforce(), aggregation=aggregation)
    same(base(policy_loss=loss, aggregation=aggregation), reinforce, rows)


def test_the_reinforce_gradient_is_minus_advantage_over_the_denominator() -> None:
    rows = on_policy(random_rows())
    objective = base(policy_loss=Clipped(), aggregation=TokenMean())
    advantages = objective.advantages(rows.batch)
    _, gradient, _ = loss_and_gradient(objective, rows)
    at = torch.nn.functional.one_hot(rows.tokens, 5) - rows.logits.softmax(-1)
    expected = (-advantages * rows.batch.mask / rows.batch.mask.sum()).unsqueeze(-1) * at
    torch.testing.assert_close(gradient, expected, rtol=1e-9, atol=1e-12)


def test_rloo_is_dr_grpo_times_n_over_n_minus_one_and_sums_to_zero_in_a_group() -> None:
    batch = random_rows().batch
    mask = torch.ones_like(batch.mask)
    batch = dataclasses.replace(batch, mask=mask)
    rloo = base(advantage=LeaveOneOut()).advantages(batch)[:, 0]
    centred = base(advantage=GroupCentred()).advantages(batch)[:, 0]
    for group in batch.groups.unique():
        rows = batch.groups == group
        n = int(rows.sum())
        if n > 1:
            torch.testing.assert_close(rloo[rows], centred[rows] * n / (n - 1))
            assert abs(rloo[rows].sum()) < 1e-12


def test_grpo_without_scale_is_dr_grpo() -> None:
    batch = random_rows().batch
    unscaled = base(advantage=GroupRelative(scale="none")).advantages(batch)
    assert torch.equal(unscaled, base(advantage=GroupCentred()).advantages(batch))


def test_reinforce_plus_plus_without_discount_gives_every_token_of_a_row_its_outcome() -> None:
    rows = random_rows()
    estimate = base(advantage=WhitenedReturns()).estimate(rows.batch)
    mask = rows.batch.mask.clone()
    expected = rows.batch.rewards.unsqueeze(-1) * mask
    torch.testing.assert_close(estimate.returns, expected)


def test_with_equal_lengths_token_mean_is_the_mean_of_sequence_means() -> None:
    rows = of_lengths(random_rows(), torch.full((11,), 6))
    same(base(aggregation=TokenMean()), base(aggregation=SequenceMeanTokenMean()), rows)


def test_at_the_fixed_length_dr_grpo_weighs_like_token_mean() -> None:
    rows = of_lengths(random_rows(), torch.full((11,), 6))
    same(base(aggregation=TokenMean()), base(aggregation=FixedLength(length=6)), rows)


def test_gspo_on_single_tokens_is_the_clipped_loss() -> None:
    rows = of_lengths(random_rows(), torch.ones(11, dtype=torch.long))
    gspo = base(policy_loss=GSPO(clip_low=0.2, clip_high=0.2))
    same(gspo, base(policy_loss=Clipped()), rows)
    sequence = base(policy_loss=SequenceClipped())
    same(sequence, base(policy_loss=Clipped()), rows)


def test_cispo_keeps_the_gradient_where_the_clipped_loss_has_none() -> None:
    rows = random_rows()
    current = logprobs_of(rows.logits, rows.tokens)
    batch = dataclasses.replace(rows.batch, old_logprobs=current - 2.0)  # ratio e² everywhere
    rows = Rows(batch, rows.logits, rows.tokens)
    up = base(advantage=GroupCentred()).advantages(batch) > 0
    clipped = loss_and_gradient(base(policy_loss=Clipped()), rows)[1]
    cispo = loss_and_gradient(base(policy_loss=CISPO(max_ratio=5.0)), rows)[1]
    assert (clipped[up] == 0).all()
    assert (cispo[up].abs().sum(-1) > 0).all()


def test_grpo_is_dapo_s_loss_with_equal_clips() -> None:
    equal = dataclasses.replace(composed("objective=dapo").policy_loss, clip_high=0.2)
    same(base(policy_loss=dataclasses.replace(equal, dual_clip=None)), base(), random_rows())


@pytest.mark.parametrize("estimator", ["k2", "k1+", "k2+", "k3+", "abs+"])
def test_the_kl_gradient_is_that_of_k2(estimator: str) -> None:
    rows = random_rows()
    a = base(regularizer={"kl": KL(coef=0.5, estimator=estimator)})
    same(a, base(regularizer={"kl": KL(coef=0.5, estimator="k2")}), rows)


def test_kl_to_itself_is_zero_and_has_no_gradient_but_k1() -> None:
    rows = random_rows()
    current = logprobs_of(rows.logits, rows.tokens)
    rows = Rows(
        dataclasses.replace(rows.batch, role_logprobs={"reference": current}),
        rows.logits,
        rows.tokens,
    )
    plain = loss_and_gradient(base(), rows)
    for estimator in ("k2", "k3"):
        kl = loss_and_gradient(base(regularizer={"kl": KL(coef=1.0, estimator=estimator)}), rows)
        torch.testing.assert_close(kl[0], plain[0])
        torch.testing.assert_close(kl[1], plain[1])


def test_the_entropy_bonus_pulls_towards_uniform() -> None:
    rows = random_rows()
    plain = loss_and_gradient(base(), rows)[1]
    bonus = loss_and_gradient(base(regularizer={"entropy": Entropy(coef=1.0)}), rows)[1] - plain
    p = rows.logits.softmax(-1)
    entropy = -(p * p.log()).sum(-1, keepdim=True)
    expected = p * (p.log() + entropy)  # minus the gradient of the entropy
    counts = rows.batch.mask / rows.batch.mask.sum(-1, keepdim=True).clamp(min=1) / 10
    torch.testing.assert_close(bonus, expected * counts.unsqueeze(-1), rtol=1e-8, atol=1e-12)


def test_the_optimum_under_kl_is_the_posterior() -> None:
    # max over p of Σ p R − β KL(p‖π₀) is β log Σ π₀ e^{R/β}, at softmax(log π₀ + R/β)
    prior = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    rewards, beta = torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64), 0.7
    best = (prior.log() + rewards / beta).softmax(-1)

    def value(p: torch.Tensor) -> torch.Tensor:
        return (p * rewards).sum() - beta * (p * (p / prior).log()).sum()

    assert value(best) == pytest.approx(float(beta * (prior * (rewards / beta).exp()).sum().log()))
    assert value(best) > value((best + 0.05 * torch.tensor([1, -1, 0])).clamp(min=1e-9))
