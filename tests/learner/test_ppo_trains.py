"""PPO trains: critics of both kinds and every loss learn, and a resumed stage is the same."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from etude.curriculum.interface import StepPlan
from etude.errors import ModelError
from etude.model.critic import HEAD

CATEGORICAL = ("hl_gauss", "two_hot", "c51")
FEW = ("data_mix.train.arithmetic.levels=[1]", "optimizer.lr=1e-3")


def critic_metrics(metrics: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if name.startswith("critic/")}


#: As many as a step takes, so that every step has the same.
PROMPTS = "data_mix.train.arithmetic.limit=8"


def test_a_critic_of_its_own_learns_to_predict_returns(short_run: Any) -> None:
    metrics = short_run(
        "objective=ppo", "objective.critic.lr=1e-2", "objective.advantage.lam=1.0", PROMPTS, steps=6
    )
    first, last = metrics[0], metrics[-1]
    assert first["critic/value_size"] == 0.0  # the head begins at zero
    assert first["critic/gradient_norm"] > 0
    assert last["critic/value_size"] > 0.1
    # With λ = 1 returns are rewards, of 0 or 1: the error of predicting 0, as the first step does,
    # goes with their mean, and a critic that learned does better on the rows of its own step.
    of_zero = first["critic/squared_error"] * last["reward/mean"] / first["reward/mean"]
    assert last["critic/squared_error"] < of_zero
    assert last["critic/learning_rate"] == 1e-2 != last["learning_rate"]


def test_a_critic_of_its_own_moves_ten_times_as_fast_as_the_policy(short_run: Any) -> None:
    (step,) = short_run("objective=ppo", "optimizer.lr=1e-5", steps=1)
    assert step["learning_rate"] == 1e-5
    assert step["critic/learning_rate"] == 1e-4


def test_a_critic_has_an_optimizer_of_its_own(short_run: Any) -> None:
    own = ("models.critic.train.optimizer=adamw", "models.critic.train.optimizer.lr=3e-3")
    cosine = "models.critic.train.optimizer.schedule=cosine"
    steps = short_run("objective=ppo", "optimizer.lr=1e-5", *own, cosine, steps=3)
    assert [step["learning_rate"] for step in steps] == [1e-5] * 3
    rates = [step["critic/learning_rate"] for step in steps]
    assert rates[0] == 3e-3 > rates[1] > rates[2]
    (step,) = short_run("objective=ppo", *own, "objective.critic.lr=1e-2", steps=1)
    assert step["critic/learning_rate"] == 1e-2


def test_a_head_on_the_policy_moves_with_it(short_run: Any) -> None:
    metrics = short_run("objective=ppo", "objective.critic.share=head", steps=3)
    assert metrics[0]["critic/value_size"] == 0.0
    assert metrics[-1]["critic/value_size"] > 0
    assert "critic/gradient_norm" not in metrics[0]


@pytest.mark.parametrize("share", ["own", "head"])
@pytest.mark.parametrize("loss", CATEGORICAL)
def test_a_critic_that_classifies_learns(short_run: Any, loss: str, share: str) -> None:
    metrics = short_run(
        "objective=ppo", f"objective/critic/loss={loss}", f"objective.critic.share={share}", steps=2
    )
    assert metrics[0]["critic/value_size"] == pytest.approx(0.5, abs=1e-6)  # the centre
    assert metrics[1]["critic/value_size"] != metrics[0]["critic/value_size"]
    assert metrics[1]["critic/entropy"] < metrics[0]["critic/entropy"]
    assert metrics[0]["critic/targets_below"] == metrics[0]["critic/targets_above"] == 0.0


def test_the_penalty_in_the_reward_reaches_returns(short_run: Any) -> None:
    several = ("training.updates_per_step=2", "training.epochs_per_step=2")
    metrics = short_run(
        "objective=ppo",
        "objective/shaping=[clip_reward,kl_penalty]",
        "objective.shaping.kl_penalty.coef=0.5",
        "objective.shaping.clip_reward.limit=0.5",
        *several,
        steps=2,
    )
    assert metrics[0]["objective/clipped_rewards"] > 0
    assert metrics[0]["objective/kl_reference"] == pytest.approx(0.0, abs=1e-6)
    assert metrics[1]["objective/kl_reference"] != pytest.approx(0.0, abs=1e-4)
    assert metrics[1]["objective/clip_fraction"] >= 0  # four updates on one rollout batch
    assert metrics[0]["critic/value_size"] > 0


@pytest.mark.parametrize("share", ["own", "head"])
@pytest.mark.parametrize("loss", ["squared", "hl_gauss"])
def test_micro_batches_do_not_change_what_a_critic_learns(
    learner: Any, loss: str, share: str
) -> None:
    chosen = ("objective=ppo", f"objective/critic/loss={loss}", f"objective.critic.share={share}")
    wide = ("objective.critic.loss.v_min=-2", "objective.critic.loss.v_max=4")
    chosen += wide if loss == "hl_gauss" else ()
    # In float64: an optimizer's first steps make a sign of every gradient, however near to 0.
    chosen += ("model.dtype=float64",)
    found = []
    for tokens in (64, 100000):
        made = learner(*chosen, *FEW, f"execution.micro_batch_tokens={tokens}")
        found.append([critic_metrics(made.step(step).metrics) for step in range(2)])
    for one, other in zip(*found, strict=True):
        assert one == pytest.approx(other, rel=2e-5, abs=1e-7)


def test_a_critic_is_handed_on_and_taken_up(learner: Any, tmp_path: Path) -> None:
    made = learner("objective=ppo", *FEW)
    made.step(0)
    made.export(tmp_path)
    assert (tmp_path / "roles" / "critic" / "config.json").is_file()
    assert (tmp_path / "roles" / "critic" / HEAD).is_file()

    def values(learner: Any) -> torch.Tensor:
        groups = learner.learner.rollouts.gather(0, StepPlan()).groups
        return learner.learner._batch(groups, 0).values

    start = tmp_path / "model"
    handed_on = ("models.critic=handed_on", f"start_from={start}")
    given = {"start": start, "critic": tmp_path / "roles" / "critic"}
    again = values(learner("objective=ppo", *handed_on, *FEW, **given))
    by_path = f"models.critic={tmp_path / 'roles' / 'critic'}"
    assert torch.equal(values(learner("objective=ppo", by_path, *FEW, start=start)), again)
    assert again.abs().max() > 0
    fresh = values(learner("objective=ppo", *FEW, start=start))
    assert (fresh == 0).all()
    with pytest.raises(ModelError, match=r"one number.*51 outputs"):
        learner("objective=ppo", "objective/critic/loss=hl_gauss", by_path, start=start)


def test_a_head_is_handed_on_without_a_model(learner: Any, tmp_path: Path) -> None:
    shared = ("objective=ppo", "objective.critic.share=head", *FEW)
    made = learner(*shared)
    made.step(0)
    made.export(tmp_path)
    assert [path.name for path in (tmp_path / "roles" / "critic").iterdir()] == [HEAD]
    start = tmp_path / "model"
    handed_on = ("models.critic=handed_on", f"start_from={start}")
    again = learner(*shared, *handed_on, start=start, critic=tmp_path / "roles" / "critic")
    assert torch.equal(again.learner.critic.shared.weight, made.learner.critic.shared.weight)


def test_rewards_beyond_the_support_are_warned_of_once(learner: Any) -> None:
    made = learner("objective=ppo", "objective/critic/loss=two_hot", *FEW)
    with pytest.warns(RuntimeWarning, match="v_min and objective.critic.loss.v_max"):
        made.step(0)  # the reward of the small stages counts tokens
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made.step(1)
