"""The entropy bonus: its limits, and a coefficient that is steered and saved."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest
import torch
from objective_cases import RowForward, composed, loss_and_gradient, random_rows, update_batch

from etude.objective.regularizer.entropy import Entropy
from etude.primitives.distribution import entropy_of

torch.set_num_threads(1)

STEERED = Entropy(controller="adaptive", coef=0.002, target=0.5, delta=1e-3, max_coef=0.004)


def with_bonus(part: Entropy):  # type: ignore[no-untyped-def]
    return dataclasses.replace(composed("objective=grpo"), regularizer={"entropy": part})


def after(objective, *entropies: float):  # type: ignore[no-untyped-def]
    state = objective.make_state()
    for entropy in entropies:
        objective.observe({"objective/entropy": entropy}, state)
    return state.of("regularizer.entropy")


def test_the_preset_starts_at_zero_and_steers_to_the_target() -> None:
    part = composed("objective=entropy_regularisation").regularizer["entropy"]
    assert part == Entropy(controller="adaptive", coef=0.0)
    assert (part.target, part.delta, part.min_coef, part.max_coef) == (0.2, 1e-4, 0.0, 0.005)
    assert part.active


def test_uniform_and_certain_distributions() -> None:
    logits = torch.zeros(2, 3, 7, dtype=torch.float64, requires_grad=True)
    entropy = entropy_of(logits)
    entropy.sum().backward()
    torch.testing.assert_close(entropy, torch.full_like(entropy, math.log(7)))
    assert logits.grad is not None
    assert logits.grad.abs().max() < 1e-12
    assert entropy_of(1e3 * torch.eye(4, dtype=torch.float64)).abs().max() < 1e-12


def test_the_coefficient_stays_between_its_bounds_and_is_applied_only_below_the_target() -> None:
    objective = with_bonus(STEERED)
    controller = after(objective)
    assert controller.applied == 0.002
    for entropies in ([0.1] * 9, [0.9] * 9, [0.1, 0.9, 0.1, 0.5]):
        for count in range(1, len(entropies) + 1):
            controller = after(objective, *entropies[:count])
            assert 0.0 <= controller.coef <= 0.004
            assert controller.enabled == (entropies[count - 1] < 0.5)
            assert controller.applied == (controller.coef if controller.enabled else 0.0)
    assert after(objective, *[0.1] * 9).applied == 0.004
    assert after(objective, *[0.9] * 9).coef == 0.0


def test_an_entropy_at_the_target_counts_as_the_option_says() -> None:
    assert not after(with_bonus(STEERED), 0.5).enabled
    trl = dataclasses.replace(STEERED, at_target=True)
    assert after(with_bonus(trl), 0.5).enabled


def test_a_step_without_an_entropy_moves_nothing() -> None:
    objective = with_bonus(STEERED)
    state = objective.make_state()
    objective.observe({"update/skipped": 1.0}, state)
    assert state.of("regularizer.entropy") == after(objective)


def test_the_state_travels_as_json() -> None:
    objective = with_bonus(STEERED)
    state = objective.make_state()
    for entropy in (0.1, 0.1, 0.9):
        objective.observe({"objective/entropy": entropy}, state)
    fresh = objective.make_state()
    saved = json.loads(json.dumps(state.of("regularizer.entropy").state_dict()))
    fresh.of("regularizer.entropy").load_state_dict(saved)
    assert fresh.of("regularizer.entropy") == state.of("regularizer.entropy")
    assert fresh.of("regularizer.entropy").coef == pytest.approx(0.003)


def test_a_fixed_coefficient_has_no_state() -> None:
    assert with_bonus(Entropy()).make_state().parts == {}


def test_the_loss_applies_what_the_controller_holds() -> None:
    rows = random_rows()
    objective = with_bonus(STEERED)
    batch = update_batch(objective, rows)

    def gradient(*entropies: float) -> torch.Tensor:
        state = objective.make_state()
        for entropy in entropies:
            objective.observe({"objective/entropy": entropy}, state)
        logits = rows.logits.clone().requires_grad_()
        result = objective.loss(batch, RowForward(logits, rows.tokens), state)
        result.total.backward()
        applied = state.of("regularizer.entropy").applied
        logged = result.metrics["objective/entropy_coef"].value()
        assert logged == pytest.approx(applied)
        assert result.metrics["objective/entropy"].value() > 0
        assert logits.grad is not None
        return logits.grad

    plain = loss_and_gradient(with_bonus(Entropy(coef=0.0)), rows)[1]
    fixed = loss_and_gradient(with_bonus(Entropy(coef=0.003)), rows)[1]
    assert torch.equal(gradient(0.9), plain)
    torch.testing.assert_close(gradient(0.1), fixed)
    assert not torch.equal(plain, fixed)


def test_the_soft_optimum_moves_little_where_the_plain_one_jumps() -> None:
    """Rewards that tie: the best answer changes whole, its soft version by at most ΔR/α."""
    rewards = torch.tensor([1.0, 1.0, 0.2], dtype=torch.float64)
    nudge = torch.tensor([0.0, 1e-3, 0.0], dtype=torch.float64)
    alpha = 0.1
    before, after_ = ((r / alpha).softmax(-1) for r in (rewards, rewards + nudge))
    assert (before - after_).abs().sum() <= 1e-3 / alpha
    for policy, reward in ((before, rewards), (after_, rewards + nudge)):
        logits = policy.log().requires_grad_()
        value = (logits.softmax(-1) * reward).sum() + alpha * entropy_of(logits)
        value.backward()
        assert logits.grad is not None
        assert logits.grad.abs().max() < 1e-12
        assert float(value.detach()) == pytest.approx(float(alpha * (reward / alpha).logsumexp(-1)))
