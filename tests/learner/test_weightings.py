"""Shipped reward weightings: what each does to rewards, and that its neutral setting is a sum."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from etude.build import build
from etude.errors import ConfigError
from etude.reward_weighting.annealed import Annealed
from etude.reward_weighting.gated import Gated
from etude.reward_weighting.geometric import Geometric
from etude.reward_weighting.harmonic import Harmonic
from etude.reward_weighting.interface import Combined, Tools
from etude.reward_weighting.maxmin import MaxMin
from etude.reward_weighting.normalised import Normalised
from etude.reward_weighting.robust import Robust
from etude.reward_weighting.running import Running
from etude.reward_weighting.trust import Trust
from etude.reward_weighting.weighted_sum import WeightedSum

WEIGHTS = {"accuracy": 1.0, "format": 0.5}
PARTS = {
    "accuracy": torch.tensor([1.0, 0.0, 1.0, 0.0]),
    "format": torch.tensor([1.0, 1.0, 0.0, 0.0]),
}
GROUPS = torch.tensor([0, 0, 1, 1])


def combined(weighting: Any, parts: dict[str, Tensor] = PARTS, **given: Any) -> Combined:
    everywhere = {name: torch.ones(4, dtype=torch.bool) for name in parts}
    known = {
        "groups": GROUPS,
        "applies": everywhere,
        "state": weighting.start(0),
        "tools": Tools(steps=10, lengths=torch.tensor([1.0, 2.0, 3.0, 4.0])),
        **given,
    }
    names = weighting.combine.__code__.co_varnames[1 : weighting.combine.__code__.co_argcount]
    found = weighting.combine(parts, **{name: known[name] for name in names if name in known})
    return found if isinstance(found, Combined) else Combined(found)


def test_gated_parts_count_only_where_the_primary_one_is_earned() -> None:
    assert combined(Gated(weights=WEIGHTS)).rewards.tolist() == [1.5, 0.0, 1.0, 0.0]
    plain = combined(WeightedSum(weights=WEIGHTS)).rewards
    assert torch.equal(combined(Gated(weights=WEIGHTS, threshold=-9.0)).rewards, plain)


@pytest.mark.parametrize("mean", [Harmonic, Geometric])
def test_means_lie_between_the_parts_and_the_lower_one_pulls(mean: Any) -> None:
    parts = {"accuracy": torch.tensor([0.2, 0.9, 0.4, 0.0]), "format": torch.tensor([0.8] * 4)}
    low, high = torch.stack(list(parts.values())).aminmax(dim=0)
    found = combined(mean(weights=WEIGHTS), parts).rewards
    assert bool((found >= low - 1e-6).all() and (found <= high + 1e-6).all())
    arithmetic = combined(WeightedSum(weights={"accuracy": 2 / 3, "format": 1 / 3}), parts).rewards
    assert bool((found <= arithmetic + 1e-6).all())
    assert torch.equal(
        found, combined(mean(weights={"accuracy": 4.0, "format": 2.0}), parts).rewards
    )
    with pytest.raises(ConfigError, match="weights of 0 or more"):
        combined(mean(weights={"accuracy": 1.0, "format": -1.0}), parts)


def test_annealed_weights_are_those_of_either_end_before_and_after() -> None:
    weighting = Annealed(weights={"accuracy": 1.0}, end={"format": 2.0}, steps=4)
    assert torch.equal(combined(weighting).rewards, PARTS["accuracy"])
    later = [combined(weighting, tools=Tools(step=step, steps=10)) for step in (2, 4, 9)]
    assert later[0].weights == {"accuracy": 1 / 3, "format": 2 / 3} or later[0].weights == {
        "accuracy": pytest.approx(1 / 3),
        "format": pytest.approx(2 / 3),
    }
    assert torch.equal(later[1].rewards, PARTS["format"])
    assert torch.equal(later[2].rewards, PARTS["format"])
    still = Annealed(weights={"accuracy": 0.5, "format": 0.5}, end={"accuracy": 1.0, "format": 1.0})
    half = combined(WeightedSum(weights={"accuracy": 0.5, "format": 0.5})).rewards
    assert torch.equal(combined(still, tools=Tools(step=7, steps=10)).rewards, half)


def test_normalised_parts_do_not_depend_on_their_scale() -> None:
    scaled = {**PARTS, "accuracy": 100 * PARTS["accuracy"] + 7}
    own = Normalised(weights={"accuracy": 1.0, "format": 1.0}, epsilon=1e-9)
    one, other = (combined(own, parts).advantages for parts in (PARTS, scaled))
    assert one is not None
    assert other is not None
    assert other == pytest.approx(one, abs=1e-6)


def test_a_part_is_normalised_among_the_answers_that_it_applies_to() -> None:
    applies = {
        "accuracy": torch.ones(4, dtype=torch.bool),
        "format": torch.tensor([True, False, False, False]),
    }
    own = Normalised(weights={"format": 1.0}, batch="none")
    found = combined(own, applies=applies).advantages
    assert found is not None
    assert found.tolist() == [0.0] * 4  # alone in its group: nothing to compare it with


def test_over_tokens_long_answers_count_by_their_length() -> None:
    own = Normalised(weights=WEIGHTS, batch="tokens")
    lengths = torch.tensor([1.0, 2.0, 3.0, 4.0])
    found = combined(own).advantages
    assert found is not None
    assert float((found * lengths).sum()) == pytest.approx(0.0, abs=1e-9)
    assert float((found.square() * lengths).sum() / 9) == pytest.approx(1.0, abs=1e-6)


def test_running_statistics_begin_at_the_first_step_and_move() -> None:
    weighting = Running(weights={"accuracy": 1.0}, decay=0.5)
    first = combined(weighting)
    assert first.state["accuracy"] == {"mean": 0.5, "variance": 0.25}
    assert first.rewards == pytest.approx([1, -1, 1, -1], abs=1e-3)
    ones = {**PARTS, "accuracy": torch.ones(4)}
    second = combined(weighting, ones, state=first.state)
    assert second.state["accuracy"]["mean"] == 0.75
    assert second.state["accuracy"]["variance"] == 0.5 * 0.25 + 0.5 * 0.0625
    assert first.state["accuracy"]["mean"] == 0.5
    nowhere = {name: torch.zeros(4, dtype=torch.bool) for name in PARTS}
    kept = combined(weighting, state=first.state, applies=nowhere)
    assert kept.state == first.state
    assert kept.rewards.tolist() == [0.0] * 4


def test_the_worst_of_an_ensemble_is_never_above_the_nominal_reward() -> None:
    parts = {
        f"head{k}": torch.randn(4, generator=torch.Generator().manual_seed(k)) for k in range(3)
    }
    every = [combined(Robust(weight=share), parts).rewards for share in (0.0, 0.5, 1.0)]
    assert bool((every[0] <= every[1]).all() and (every[1] <= every[2]).all())
    turned = dict(reversed(parts.items()))
    assert combined(Robust(), turned).rewards == pytest.approx(every[1], abs=1e-6)
    for worst in ("mean_minus_std", "quantile"):
        assert bool((combined(Robust(weight=0.0, worst=worst), parts).rewards <= every[2]).all())
    with pytest.raises(ConfigError, match=r"1 parts for the 2"):
        Robust(nominal="lowest_std", heads=["a", "b"], stds=["c"])


def test_one_group_of_people_alone_is_its_own_reward() -> None:
    for selection in ("hard", "softmin", "multiplicative"):
        one = combined(MaxMin(groups=["format"], selection=selection)).rewards
        assert torch.equal(one, PARTS["format"])


def test_smoothed_means_remember_the_steps_before() -> None:
    weighting = MaxMin(smoothing=0.5)
    first = combined(weighting, {"a": torch.ones(4), "b": torch.zeros(4)})
    second = combined(weighting, {"a": torch.zeros(4), "b": torch.ones(4)}, state=first.state)
    assert second.state["means"] == {"a": 0.5, "b": 0.5}


def test_without_a_thinking_weight_trust_is_the_outcome() -> None:
    parts = {"accuracy": PARTS["accuracy"], "thought": PARTS["format"]}
    assert torch.equal(combined(Trust(alpha=0.0), parts).rewards, PARTS["accuracy"])
    moved = {**parts, "thought": parts["thought"] + 5}
    same = [combined(Trust(), some).metrics["trust"] for some in (parts, moved)]
    assert same[0] == pytest.approx(same[1])
    worse = combined(Trust(alpha=1.0, steps=5), parts, tools=Tools(step=5))
    assert worse.metrics["factor"] == pytest.approx(math.exp(-1))


@pytest.mark.parametrize(
    "name",
    ["harmonic", "geometric", "gated", "annealed", "normalised", "running"],
)
def test_a_weight_of_a_part_that_nobody_gives_is_named(name: str) -> None:
    weighting = build({"name": name, "weights": {"speed": 1.0}}, "reward_weighting")
    with pytest.raises(ConfigError, match=r"weights\.speed"):
        combined(weighting)
