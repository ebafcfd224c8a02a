"""Critics: what their outputs mean, what their losses cost, and what changes nothing."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from objective_cases import random_rows, take
from torch import Tensor

from etude.build import build
from etude.config.prepare import prepare
from etude.errors import ConfigError, DataError
from etude.objective.advantage.gae import GeneralisedAdvantage
from etude.objective.aggregation.seq_mean_token_mean import SequenceMeanTokenMean
from etude.objective.aggregation.token_mean import TokenMean
from etude.objective.batch import LossBatch, RolloutBatch, totals_of
from etude.objective.critic.kind import TARGETS, CriticLoss
from etude.objective.critic.loss.c51 import C51
from etude.objective.critic.loss.hl_gauss import HLGauss
from etude.objective.critic.loss.squared import SquaredError
from etude.objective.critic.loss.two_hot import TwoHot
from etude.objective.critic.none import NoCritic
from etude.objective.critic.value import ValueCritic
from etude.objective.loss import Metrics, add_metrics
from etude.objective.shaping.clip_reward import ClipReward
from etude.primitives.categorical import cross_entropy, expectation, gaussian_histogram
from etude.primitives.masked import keep

torch.set_num_threads(1)

NARROW = {"v_min": -0.5, "v_max": 2.5, "bins": 7}
LOSSES: dict[str, CriticLoss] = {
    "squared": SquaredError(),
    "hl_gauss": HLGauss(**NARROW),
    "two_hot": TwoHot(**NARROW),
    "c51": C51(**NARROW),
}
CATEGORICAL = [name for name in LOSSES if name != "squared"]


def normal(*shape: int, seed: int = 3) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def update_batch(loss: CriticLoss, batch: RolloutBatch, old: Tensor) -> LossBatch:
    """Return the whole step as one update batch, as a stage makes it."""
    batch = dataclasses.replace(batch, values=loss.values(old))
    estimate = GeneralisedAdvantage().estimate(batch, None)
    assert estimate.returns is not None
    made = LossBatch(
        old_logprobs=batch.old_logprobs,
        advantages=estimate.advantages,
        mask=batch.mask,
        groups=batch.groups,
        row_seeds=torch.arange(len(batch.groups)),
        step=0,
        totals=totals_of(batch.mask, batch.groups, width=batch.width),
        values=batch.values,
        returns=estimate.returns,
    )
    return made.mark(TARGETS, loss.targets(batch, estimate.returns, old))


def learned(
    critic: ValueCritic, batch: LossBatch, outputs: Tensor, cuts: Any = None, way: Any = None
) -> tuple[float, Tensor, Metrics]:
    """Return loss, gradient of the outputs and metrics, in the given micro-batches."""
    outputs = outputs.clone().requires_grad_()
    total, metrics = 0.0, {}
    for cut in cuts or [list(range(len(batch.groups)))]:
        at = torch.tensor(cut)
        term = critic.term(outputs[at], batch.select(at), way or TokenMean())
        term.loss.backward()
        total += float(term.loss.detach())
        metrics = add_metrics(metrics, term.metrics)
    assert outputs.grad is not None
    return total, outputs.grad, metrics


def rows_of(loss: CriticLoss) -> tuple[RolloutBatch, Tensor, Tensor]:
    batch, m = random_rows().batch, loss.places.numel()
    return batch, normal(*batch.mask.shape, m), normal(*batch.mask.shape, m, seed=4)


# What outputs and targets mean ---------------------------------------------------------------


@pytest.mark.parametrize("name", ["hl_gauss", "two_hot"])
def test_targets_are_distributions(name: str) -> None:
    loss: Any = LOSSES[name]
    returns = torch.linspace(-2, 4, 41, dtype=torch.float64)
    found = loss.distribution(returns)
    assert found.shape == (41, 7) and (found >= 0).all()
    assert torch.allclose(found.sum(-1), torch.ones(41, dtype=torch.float64), atol=1e-12)


def test_the_mean_of_a_two_hot_target_is_the_clipped_return() -> None:
    returns = torch.linspace(-2, 4, 41, dtype=torch.float64)
    found = LOSSES["two_hot"].distribution(returns)  # type: ignore[attr-defined]
    assert torch.allclose(found @ LOSSES["two_hot"].places, returns.clamp(-0.5, 2.5), atol=1e-12)
    assert ((found > 0).sum(-1) <= 2).all()


def test_a_narrow_normal_becomes_one_hot() -> None:
    loss = HLGauss(v_min=0.0, v_max=1.0, bins=10, sigma_ratio=1e-3)
    found = loss.distribution(torch.tensor([0.13, 0.55, 0.99], dtype=torch.float64))
    assert found.argmax(-1).tolist() == [1, 5, 9]
    assert torch.allclose(found.max(-1).values, torch.ones(3, dtype=torch.float64))


def test_rewards_at_the_ends_of_a_support_are_pulled_inwards_and_padding_helps() -> None:
    ends = torch.tensor([0.0, 1.0], dtype=torch.float64)
    tight = HLGauss(v_min=0.0, v_max=1.0, bins=8)
    found = tight.distribution(ends) @ tight.places
    assert found.tolist() == pytest.approx([0.086268, 0.913732], abs=1e-6)
    width = 1 / 8
    assert float(found[0]) == pytest.approx(0.69 * width, rel=1e-2)
    assert "rewards reach from 0 to 1" in tight.uncovered(0.0, 1.0)
    padded = HLGauss(v_min=-0.25, v_max=1.25, bins=24)
    found = padded.distribution(ends) @ padded.places
    assert (found - ends).abs().max() < 1e-6
    assert padded.uncovered(0.0, 1.0) == ""
    assert padded.uncovered(-0.2, 1.0)
    assert padded.uncovered(0.0, 1.2)  # within the support and nearer than 3σ to its end
    assert LOSSES["two_hot"].uncovered(-0.5, 2.5) == ""
    assert LOSSES["two_hot"].uncovered(-0.6, 2.5)


@pytest.mark.parametrize(("ratio", "least", "most"), [(0.75, 0, 2e-5), (0.25, 0.05, 0.095)])
def test_inside_a_padded_support_the_spread_decides_how_exact_the_mean_is(
    ratio: float, least: float, most: float
) -> None:
    loss = HLGauss(v_min=-1.0, v_max=2.0, bins=60, sigma_ratio=ratio)
    returns = torch.linspace(0, 1, 301, dtype=torch.float64)
    off = (loss.distribution(returns) @ loss.places - returns).abs().max() / (3 / 60)
    assert least <= float(off) <= most


def test_far_returns_that_are_not_clipped_leave_no_distribution() -> None:
    loss = HLGauss(v_min=0.0, v_max=1.0, bins=8, clip_targets=False)
    far = loss.distribution(torch.tensor([50.0], dtype=torch.float64))
    assert torch.isfinite(far).all() and float(far.sum()) == 0.0
    clipped = dataclasses.replace(loss, clip_targets=True)
    assert float(clipped.distribution(torch.tensor([50.0])).sum()) == pytest.approx(1.0)


def test_a_head_of_zeros_predicts_the_centre_of_its_support() -> None:
    for name in CATEGORICAL:
        assert float(LOSSES[name].values(torch.zeros(7))) == pytest.approx(1.0, abs=1e-6)
    assert float(LOSSES["squared"].values(torch.zeros(1))) == 0.0


def test_the_projection_keeps_the_mean_of_what_moved() -> None:
    loss = C51(v_min=-1.0, v_max=2.0, bins=9, gamma=0.9)
    following, rewards = normal(20, 9).softmax(-1), normal(20, seed=8)
    last = torch.tensor([0, 1] * 10)
    found = loss.bellman(following, rewards, last)
    moved = rewards[:, None] + 0.9 * (1 - last)[:, None] * loss.places
    assert torch.allclose(found.sum(-1), torch.ones(20, dtype=torch.float64))
    assert torch.allclose(found @ loss.places, (following * moved.clamp(-1, 2)).sum(-1))
    still = loss.bellman(following, torch.zeros(20, dtype=torch.float64), last * 0)
    one = dataclasses.replace(loss, gamma=1.0)
    assert torch.allclose(one.bellman(following, rewards * 0, last * 0), following)
    assert not torch.allclose(still, following)


def test_c51_looks_at_the_next_token_that_counts() -> None:
    loss: Any = LOSSES["c51"]
    batch, old, _ = rows_of(loss)
    targets = loss.targets(batch, batch.token_rewards, old)
    found = old.softmax(-1)
    none = torch.zeros((), dtype=torch.float64)
    assert torch.allclose(targets[2, 2], loss.bellman(found[2, 4], none, none))  # over the hole
    assert torch.allclose(targets[2, 3], torch.zeros(7, dtype=torch.float64))
    ending = loss.bellman(found[0, 4], batch.rewards[0], none + 1)
    assert torch.allclose(targets[0, 4], ending)  # the last token: its reward alone
    assert torch.allclose(ending @ loss.places, batch.rewards[0])


# What losses cost ----------------------------------------------------------------------------


def test_the_least_cross_entropy_is_the_entropy_of_the_target() -> None:
    target = normal(5, 7).softmax(-1)
    entropy = -(target * target.log()).sum(-1)
    assert torch.allclose(cross_entropy(target.log(), target), entropy)
    assert (cross_entropy(normal(5, 7, seed=9), target) > entropy).all()


@pytest.mark.parametrize("name", CATEGORICAL)
def test_a_constant_on_all_logits_changes_nothing(name: str) -> None:
    loss = LOSSES[name]
    batch, old, outputs = rows_of(loss)
    update, critic = update_batch(loss, batch, old), ValueCritic(loss=loss)
    one, gradient, _ = learned(critic, update, outputs)
    other, again, _ = learned(critic, update, outputs + 5.0)
    assert one == pytest.approx(other, rel=1e-12)
    assert torch.allclose(gradient, again, atol=1e-15)
    assert torch.allclose(gradient.sum(-1), torch.zeros_like(batch.mask), atol=1e-15)


@pytest.mark.parametrize("name", CATEGORICAL)
def test_advantages_do_not_ask_where_values_come_from(name: str) -> None:
    loss = LOSSES[name]
    batch, old, _ = rows_of(loss)
    decoded = GeneralisedAdvantage().estimate(
        dataclasses.replace(batch, values=loss.values(old)), None
    )
    plain = SquaredError().values(loss.values(old).unsqueeze(-1))
    scalar = GeneralisedAdvantage().estimate(dataclasses.replace(batch, values=plain), None)
    assert torch.equal(decoded.advantages, scalar.advantages)


def test_a_value_that_was_clipped_has_no_gradient() -> None:
    mask = torch.ones(1, 3, dtype=torch.float64)
    batch = LossBatch(
        old_logprobs=mask,
        advantages=mask,
        mask=mask,
        groups=torch.zeros(1),
        row_seeds=torch.zeros(1),
        step=0,
        totals=totals_of(mask, width=3),
        values=torch.zeros(1, 3, dtype=torch.float64),
        returns=torch.ones(1, 3, dtype=torch.float64),
    ).mark(TARGETS, torch.ones(1, 3, dtype=torch.float64))
    outputs = torch.tensor([[[0.1], [0.5], [-0.4]]], dtype=torch.float64)
    critic = ValueCritic(coef=1.0, loss=SquaredError(clip=0.2))
    loss, gradient, metrics = learned(critic, batch, outputs)
    # ½·(0.9², 0.8², 1.4²) ÷ 3: the second value has gone further than the clip allows.
    assert loss == pytest.approx((0.81 + 0.64 + 1.96) / 6)
    assert gradient.flatten().tolist() == pytest.approx([-0.3, 0.0, -1.4 / 3])
    assert metrics["critic/clip_fraction"].value() == pytest.approx(1 / 3)
    free = dataclasses.replace(critic, loss=SquaredError(clip=None))
    assert learned(free, batch, outputs)[1].flatten()[1] == pytest.approx(-0.5 / 3)


# What changes nothing ------------------------------------------------------------------------


@pytest.mark.parametrize("way", [TokenMean(), SequenceMeanTokenMean()], ids=["token", "sequence"])
@pytest.mark.parametrize("name", LOSSES)
def test_micro_batches_padding_and_order_change_nothing(name: str, way: Any) -> None:
    loss = LOSSES[name]
    batch, old, outputs = rows_of(loss)
    critic = ValueCritic(loss=loss)
    whole = update_batch(loss, batch, old)
    total, gradient, metrics = learned(critic, whole, outputs, way=way)
    cuts = [[10, 2, 7, 0, 5], [1, 9, 3], [8, 4, 6]]
    part, parted, added = learned(critic, whole, outputs, cuts, way)
    assert part == pytest.approx(total, rel=1e-12)
    assert torch.allclose(parted, gradient, atol=1e-15)
    for key, metric in metrics.items():
        assert added[key].value() == pytest.approx(metric.value(), rel=1e-12, abs=1e-15)

    order = torch.randperm(11, generator=torch.Generator().manual_seed(1))
    shuffled = update_batch(loss, take(batch, order), old[order])
    again, moved, _ = learned(critic, shuffled, outputs[order], way=way)
    assert again == pytest.approx(total, rel=1e-12)
    assert torch.allclose(moved, gradient[order], atol=1e-14)

    wide = {
        f.name: torch.cat([value, torch.zeros_like(value[:, :2])], 1)
        for f in dataclasses.fields(batch)
        if isinstance(value := getattr(batch, f.name), Tensor) and value.dim() == 2
    }
    filler = torch.full_like(old[:, :2], 9.0)
    padded = update_batch(loss, dataclasses.replace(batch, **wide), torch.cat([old, filler], 1))
    again, longer, _ = learned(critic, padded, torch.cat([outputs, filler], 1), way=way)
    assert again == pytest.approx(total, rel=1e-12)
    assert torch.allclose(longer[:, :8], gradient, atol=1e-15)
    assert (longer[:, 8:] == 0).all()


@pytest.mark.parametrize("name", LOSSES)
def test_what_is_masked_is_never_read(name: str) -> None:
    loss = LOSSES[name]
    batch, old, outputs = rows_of(loss)
    off = batch.mask == 0
    total, gradient, _ = learned(ValueCritic(loss=loss), update_batch(loss, batch, old), outputs)
    old[off], outputs[off] = torch.nan, torch.nan
    update = update_batch(loss, batch, old)
    spoilt = {key: torch.where(off, torch.nan, getattr(update, key)) for key in ("returns",)}
    update = dataclasses.replace(update, **spoilt)
    other, again, metrics = learned(ValueCritic(loss=loss), update, outputs)
    assert other == total
    assert torch.equal(again[~off], gradient[~off])
    assert (again[off] == 0).all()
    assert all(abs(metric.value()) < 100 for metric in metrics.values())


@pytest.mark.parametrize("name", LOSSES)
def test_narrow_outputs_are_widened_before_the_loss(name: str) -> None:
    loss = LOSSES[name]
    batch, old, outputs = random_rows(torch.float32).batch, *rows_of(loss)[1:]
    update = update_batch(loss, batch, old.float())
    rounded = outputs.bfloat16()
    narrow = ValueCritic(loss=loss).term(rounded, update, TokenMean()).loss
    assert narrow.dtype == torch.float32
    assert narrow == ValueCritic(loss=loss).term(rounded.float(), update, TokenMean()).loss


def test_an_empty_response_is_no_row() -> None:
    loss = LOSSES["hl_gauss"]
    batch, old, outputs = rows_of(loss)
    update = update_batch(loss, batch, old)
    without = [i for i in range(11) if i != 6]
    rest = update_batch(loss, take(batch, torch.tensor(without)), old[without])
    critic = ValueCritic(loss=loss)
    for way in (TokenMean(), SequenceMeanTokenMean()):
        whole = learned(critic, update, outputs, way=way)[0]
        assert learned(critic, rest, outputs[without], way=way)[0] == pytest.approx(whole)


def test_the_log_says_which_returns_the_support_cannot_hold() -> None:
    loss = TwoHot(v_min=0.2, v_max=0.9, bins=5)
    batch, old, outputs = rows_of(loss)
    update = update_batch(loss, batch, old)
    metrics = learned(ValueCritic(loss=loss), update, outputs)[2]
    assert update.returns is not None
    counted = update.returns[batch.mask > 0]
    assert metrics["critic/targets_below"].value() == float((counted < 0.2).double().mean()) > 0
    assert metrics["critic/targets_above"].value() == float((counted > 0.9).double().mean()) > 0
    found = keep(outputs.softmax(-1), batch.mask.unsqueeze(-1))
    outer = (found[..., 0] + found[..., -1]).sum() / batch.mask.sum()
    assert metrics["critic/outer_mass"].value() == pytest.approx(float(outer))
    assert 0 < metrics["critic/entropy"].value() < float(torch.tensor(5.0).log())


# What is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ("objective=grpo objective/advantage=gae", "objective/critic=value"),
        ("objective=grpo objective/critic=value", "objective/advantage=gae"),
        ("objective=ppo objective/critic=none", "objective/critic=value"),
        ("objective=ppo models.critic=null", "models.critic=base  gives it"),
        (
            "objective=ppo objective/critic/loss=hl_gauss objective.critic.loss.clip=0.2",
            "has no key 'clip'. It belongs to objective.critic.loss.clip of "
            "objective/critic/loss=squared",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused_with_what_to_type(overrides: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        prepare(["recipe=rl", *overrides.split()])
    assert said in str(caught.value)


def test_a_head_on_the_policy_needs_no_other_model() -> None:
    prepare(["recipe=rl", "objective=ppo", "objective.critic.share=head", "models.critic=null"])


def test_a_support_is_an_interval() -> None:
    with pytest.raises(ConfigError, match="v_max"):
        build({"name": "hl_gauss", "v_min": 1.0, "v_max": 1.0}, "objective/critic/loss")


def test_a_critic_without_returns_says_what_to_type() -> None:
    batch = random_rows().batch
    update = LossBatch(
        old_logprobs=batch.old_logprobs,
        advantages=batch.mask,
        mask=batch.mask,
        groups=batch.groups,
        row_seeds=batch.groups,
        step=0,
        totals=totals_of(batch.mask, width=8),
    )
    with pytest.raises(DataError, match="objective/advantage=gae"):
        ValueCritic(loss=SquaredError()).term(normal(11, 8, 1), update, TokenMean())
    assert float(NoCritic().term(normal(11, 8, 1), update, TokenMean()).loss) == 0.0


def test_rewards_are_clipped_on_the_last_token_alone() -> None:
    batch = random_rows().batch
    lower = batch.add_outcome(torch.full_like(batch.rewards, -1.2))
    assert torch.equal(
        ClipReward(limit=0.5).shape(lower, None)[0].rewards, (batch.rewards - 1.2).clamp(-0.5, 0.5)
    )
    shaped, metrics = ClipReward(limit=0.5).shape(batch, None)
    assert torch.equal(shaped.rewards, batch.rewards.clamp(-0.5, 0.5))
    assert torch.allclose(shaped.token_rewards.sum(-1)[:6], shaped.rewards[:6])
    assert metrics["objective/clipped_rewards"] == pytest.approx(7 / 11)


def test_a_distribution_is_read_back_as_its_mean() -> None:
    places = torch.linspace(0, 1, 5, dtype=torch.float64)
    mass = gaussian_histogram(torch.tensor([0.5]), torch.linspace(0, 1, 6), 0.2).double()
    assert float(expectation(mass.log(), places)) == pytest.approx(0.5, abs=1e-6)
