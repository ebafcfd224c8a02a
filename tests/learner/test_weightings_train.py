"""Reward weightings that have a state, combine advantages or ask for gradients, in training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from etude.errors import ConfigError, StageError

HERE = Path(__file__).parents[1]
MINE = f"{HERE}/weightings.py"
BALANCE = f"{HERE}/balance.py:Balance"
PAGE = HERE.parent / "docs/rewards.md"
#: The weights of every stage here: an untrained model's answers differ in little but their length.
WEIGHTS = "reward_weighting.weights={accuracy: 1.0, format: 0.1, length: 0.1}"

ONLY_LENGTH = "reward_weighting.weights={accuracy: 0.0, format: 0.0, length: 1.0}"
#: So that their lengths differ more.
STOPS = "rollout.stop_token_ids=[3,5,7,11,13,17,19,23,29,31]"


def test_the_page_shows_the_weighting_that_is_tried_here() -> None:
    assert f"```python\n{(HERE / 'balance.py').read_text()}```" in PAGE.read_text()


def trained(build: Any, *overrides: str, steps: int = 2) -> tuple[list[dict[str, float]], Any]:
    """Return the metrics of a stage's steps, and the stage."""
    stage = build(f"training.steps={steps}", WEIGHTS, STOPS, *overrides)
    return [stage.step(step).metrics for step in range(steps)], stage


def same(one: Any, other: Any) -> bool:
    """Return whether two stages have the same weights, to the bit."""
    pairs = zip(one.policy.model.parameters(), other.policy.model.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


#: A weighting at a setting at which it is the plain weighted sum.
INERT = {
    "a state": (f"reward_weighting={MINE}:Steady",),
    "advantages": (f"reward_weighting={MINE}:ByPart", "reward_weighting.together=true"),
    "gradients": (f"reward_weighting={MINE}:Looking",),
}


@pytest.mark.parametrize("objective", ["grpo", "reinforce_plus_plus"])
@pytest.mark.parametrize("name", INERT)
def test_an_inert_weighting_is_the_weighted_sum_to_the_bit(
    learner: Any, name: str, objective: str
) -> None:
    chosen = (f"objective={objective}", "optimizer.lr=1e-3")
    plain, one = trained(learner, *chosen)
    found, other = trained(learner, *INERT[name], *chosen)
    for mine, theirs in zip(found, plain, strict=True):
        assert {key: mine[key] for key in theirs} == theirs
    assert same(one, other)


def test_a_balance_that_does_not_move_is_the_weighted_sum_to_the_bit(learner: Any) -> None:
    plain, one = trained(learner)
    found, other = trained(learner, f"reward_weighting={BALANCE}", "reward_weighting.pace=0")
    assert [m["gradient_norm"] for m in found] == [m["gradient_norm"] for m in plain]
    assert same(one, other)


def test_a_state_moves_once_a_step_and_with_each_update(learner: Any) -> None:
    found, stage = trained(
        learner,
        f"reward_weighting={MINE}:Steady",
        "reward_weighting.rate=0.5",
        "training.updates_per_step=2",
    )
    assert [m["reward_weighting/steps"] for m in found] == [1, 2]
    assert [m["reward_weighting/updates"] for m in found] == [2, 4]
    assert stage.live["reward_weighting"].state["seen"] == 32
    assert found[1]["reward_weighting/mean"] != found[0]["reward_weighting/mean"] != 0


def test_a_state_moves_once_a_step_under_a_filter_that_refills(learner: Any) -> None:
    found, stage = trained(
        learner,
        f"reward_weighting={MINE}:Steady",
        "reward_weighting.rate=0.5",
        "objective=dapo",
        "objective.filter.metric=reward",
        "reward_weighting.weights.length=0.02",
        "rollout.max_new_tokens=6",
        "objective.filter.max_batches=0",
        "rollout.stop_token_ids=[3,5,7]",
    )
    assert max(m["groups/rounds"] for m in found) > 1
    assert [m["reward_weighting/steps"] for m in found] == [1, 2]
    # Only what is kept is seen: four groups of four a step, however many were sampled.
    assert stage.live["reward_weighting"].state["seen"] == 32
    assert found[0]["rollout/rows"] > 16


def test_advantages_of_parts_are_those_of_the_stages_own_component(learner: Any) -> None:
    chosen = (ONLY_LENGTH, "optimizer.lr=1e-3")
    plain, one = trained(learner, *chosen)
    found, other = trained(learner, f"reward_weighting={MINE}:ByPart", *chosen)
    assert same(one, other)
    assert found[0]["objective/advantage_max"] == plain[0]["objective/advantage_max"] > 0


@pytest.mark.parametrize("share", ["own", "head"])
def test_one_part_with_a_head_of_its_own_is_the_plain_critic_to_the_bit(
    learner: Any, share: str
) -> None:
    chosen = (ONLY_LENGTH, "objective=ppo", f"objective.critic.share={share}", "optimizer.lr=1e-3")
    plain, one = trained(learner, *chosen)
    found, other = trained(learner, f"reward_weighting={MINE}:ByHead", *chosen)
    assert same(one, other)
    for mine, theirs in zip(found, plain, strict=True):
        assert mine["critic/loss/length"] == theirs["critic/loss"] > 0


def test_every_part_has_values_of_its_own(learner: Any) -> None:
    weights = "reward_weighting.weights={accuracy: 1.0, format: 1.0, length: 0.1}"
    found, stage = trained(learner, f"reward_weighting={MINE}:ByHead", weights, "objective=ppo")
    assert found[0]["critic/loss/length"] > found[0]["critic/loss/format"] >= 0
    heads = stage.live["models.critic"].state_dict()["head"]["weight"]
    assert len(heads) == 3


def test_advantages_of_parts_are_refused_beside_a_critic_of_the_one_reward(learner: Any) -> None:
    with pytest.raises(ConfigError, match="it predicts the one reward"):
        learner(f"reward_weighting={MINE}:ByPart", "objective=ppo")
    with pytest.raises(ConfigError, match="no one reward is there to be clipped"):
        learner(f"reward_weighting={MINE}:ByPart", "objective/shaping=[clip_reward]")


def test_a_filter_that_goes_by_rewards_refuses_rewards_of_the_batch(learner: Any) -> None:
    with pytest.raises(ConfigError, match="before the batch that its rewards depend on"):
        learner(f"reward_weighting={BALANCE}", "objective=dapo", "objective.filter.metric=reward")
    learner(f"reward_weighting={BALANCE}", "objective=dapo", "objective.filter.metric=accuracy")


ODD = """
from dataclasses import dataclass
import torch
from etude.component import component, option
from etude.reward_weighting.interface import Combined
from etude.reward_weighting.weighted_sum import WeightedSum

@component(provides=["reward:advantages"])
@dataclass(frozen=True)
class Odd(WeightedSum):
    "Returns what it should not."
    how: str = option("row", "which")

    def combine(self, parts, *, tools):
        rewards = parts["length"]
        n = len(rewards)
        given = {
            "nan": torch.full((n,), float("nan")),
            "row": torch.ones(1, tools.width or 1),
            "column": torch.ones(n, 1),
            "scalar": torch.ones(1),
            "list": [1.0] * n,
        }
        weights = {"nosuch": 2.0} if self.how == "weight" else None
        return Combined(rewards, advantages=given.get(self.how, torch.ones(n)), weights=weights)
"""


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("nan", r"the advantage nan to the answer number 0 of 16"),
        ("row", r"advantages \[1, \d+\]; it gives a tensor \[16\]"),
        ("column", r"advantages \[16, 1\]; it gives"),
        ("scalar", r"advantages \[1\]; it gives"),
        ("list", r"advantages a list; it gives"),
        ("weight", r"a weight of 'nosuch', which is none of the parts: .*length"),
    ],
)
def test_what_a_weighting_returns_beside_rewards_is_judged(
    learner: Any, tmp_path: Path, how: str, said: str
) -> None:
    (tmp_path / "odd.py").write_text(ODD)
    stage = learner(f"reward_weighting={tmp_path}/odd.py:Odd", f"reward_weighting.how={how}")
    with pytest.raises(StageError, match=rf"reward_weighting=\S*Odd gave {said}"):
        stage.step(0)


def test_a_shaping_term_that_is_not_asked_for_counts_once(learner: Any) -> None:
    kl = ("objective/shaping=[kl_penalty]", "objective.shaping.kl_penalty.coef=0.5")
    other = ("optimizer.lr=1e-2",)
    alone, _ = trained(learner, f"reward_weighting={MINE}:ByPart", *other)
    shaped, _ = trained(learner, f"reward_weighting={MINE}:ByPart", *other, *kl)
    assert "objective/kl_reference" in shaped[0]
    # The first step starts from the reference itself, so that the term is 0 there.
    assert shaped[0]["objective/advantage_max"] == alone[0]["objective/advantage_max"]
    assert shaped[1]["objective/advantage_max"] != alone[1]["objective/advantage_max"]


def test_weights_that_move_by_gradients_are_logged_and_keep_their_sum(learner: Any) -> None:
    found, _ = trained(learner, f"reward_weighting={BALANCE}", steps=3)
    moved = [m["reward/length/weight"] for m in found]
    assert len(set(moved)) == 3
    for m in found:
        parts = ("accuracy", "format", "length")
        assert sum(m[f"reward/{part}/weight"] for part in parts) == pytest.approx(1.2)
        assert m["reward/length/weighted"] == m["reward/length/raw"] * m["reward/length/weight"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "chosen",
    [
        (f"reward_weighting={MINE}:Steady", "reward_weighting.rate=0.3", "objective=dapo"),
        (f"reward_weighting={MINE}:ByPart", "objective/shaping=[kl_penalty]"),
        (f"reward_weighting={MINE}:ByPart", "objective=riskpo"),
        (f"reward_weighting={BALANCE}", "training.updates_per_step=2"),
        (f"reward_weighting={MINE}:ByHead", "objective=ppo"),
    ],
    ids=["state", "advantages", "states of parts", "gradients", "heads"],
)
def test_a_weighting_goes_on_from_its_first_step_to_the_bit(
    short_run: Any, chosen: tuple[str, ...]
) -> None:
    weighted = "reward_weighting.weights={accuracy: 1.0, format: 0.3}"
    found = short_run(*chosen, weighted)
    assert found[2]["gradient_norm"] > 0
