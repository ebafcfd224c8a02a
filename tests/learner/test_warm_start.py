"""A warm start fills what is known of rows, rewards and values while the policy does not move."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from etude.errors import ConfigError
from etude.execute import tree

WARM = "training.warm_start_steps=2"
CRITIC = (
    "objective=ppo",
    "objective.critic.share=own",
    "models.critic=start",
)


def weights(policy: Any) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in policy.model.parameters()]


def same(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return all(torch.equal(mine, theirs) for mine, theirs in zip(one, other, strict=True))


def test_the_policy_moves_in_the_first_step_after_the_warm_start(learner: Any) -> None:
    made = learner(WARM)
    first = weights(made.policy)
    for step in range(2):
        metrics = made.step(step).metrics
        assert metrics["update/warm_start"] == 1.0
        assert metrics["tokens/trained"] == 0.0
        assert same(weights(made.policy), first)
        assert not made.trainee.optimizer_state()["state"]
    assert "update/warm_start" not in made.step(2).metrics
    assert not same(weights(made.policy), first)


def test_every_judged_answer_is_known_afterwards(learner: Any) -> None:
    made = learner(WARM)
    for step in range(2):
        made.step(step)
    assert int(sum(made.history.column("judged"))) == 2 * 4 * 4


def test_reward_statistics_move_on(learner: Any) -> None:
    made = learner(WARM, "reward_weighting=running")
    before = str(made.live["reward_weighting"].state_dict())
    made.step(0)
    assert str(made.live["reward_weighting"].state_dict()) != before


def test_a_critic_of_its_own_learns_alone(learner: Any) -> None:
    made = learner(WARM, *CRITIC)
    policy, begun = weights(made.policy), made.live["models.critic"].state_dict()["head"]
    head = {name: each.clone() for name, each in begun.items()}
    metrics = made.step(0).metrics
    assert metrics["critic/learning_rate"] > 0
    assert same(weights(made.policy), policy)
    now = made.live["models.critic"].state_dict()["head"]
    assert any(not torch.equal(now[name], each) for name, each in head.items())


def test_a_critic_on_the_policys_trunk_is_refused(learner: Any) -> None:
    with pytest.raises(ConfigError, match=r"objective\.critic\.share=own"):
        learner(WARM, "objective=ppo", "objective.critic.share=head")


def test_a_warm_start_as_long_as_the_stage_is_refused(learner: Any) -> None:
    with pytest.raises(ConfigError, match="the policy would never move"):
        learner("training.warm_start_steps=150", "training.steps=150")


def test_extra_updates_and_demonstrations_wait(learner: Any) -> None:
    made = learner(WARM, "objective=chord", "data_mix.demonstrations.arithmetic={}")
    first = weights(made.policy)
    made.step(0)
    assert same(weights(made.policy), first)


@pytest.mark.parametrize("chosen", [(), CRITIC, ("reward_weighting=running",)])
def test_a_stage_resumed_in_its_warm_start_counts_nothing_twice(
    learner: Any, tmp_path: Path, chosen: tuple[str, ...]
) -> None:
    whole, begun = learner(WARM, *chosen), learner(WARM, *chosen)
    told = [whole.step(step) for step in range(3)]
    begun.step(0)
    tree.save(begun.state_dict(), tmp_path / "saved")
    gone_on = learner(WARM, *chosen)
    gone_on.load_state_dict(tree.load(tmp_path / "saved"))
    for step in range(1, 3):
        again = gone_on.step(step)
        assert again.metrics == told[step].metrics
        assert again.samples == told[step].samples
    assert same(weights(whole.policy), weights(gone_on.policy))
