"""A live component resets, averages or exchanges a model of the stage; what changes is state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from etude.errors import ConfigError, ModelError, StageError
from etude.execute import tree

EXCHANGE = f"curriculum={Path(__file__).parents[1] / 'exchange.py'}:Exchange"
HELD = (EXCHANGE, "objective/regularizer=[kl]", "objective.regularizer.kl.coef=0.1")
OTHER = (
    EXCHANGE,
    "curriculum.role=other",
    "curriculum.how=swap",
    "models.other=start",
    "models.other.train.objective=grpo",
)


def weights(policy: Any) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in policy.model.parameters()]


def same(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return all(torch.equal(mine, theirs) for mine, theirs in zip(one, other, strict=True))


def test_a_reference_is_reset_to_the_policy(learner: Any) -> None:
    made = learner(*HELD, "curriculum.every=2")
    first = weights(made.policy)
    made.step(0)
    assert same(weights(made.model("reference")), first)
    made.step(1)
    assert same(weights(made.model("reference")), weights(made.policy))
    assert made.step(2).metrics["objective/kl_reference"] == pytest.approx(0.0, abs=1e-6)


def test_an_averaged_model_moves_part_of_the_way(learner: Any) -> None:
    made = learner(*HELD, "curriculum.how=ema", "curriculum.decay=0.75", "curriculum.every=1")
    before = weights(made.model("reference"))
    made.step(0)
    found = zip(weights(made.model("reference")), before, weights(made.policy), strict=True)
    for mine, old, new in found:
        torch.testing.assert_close(mine, 0.75 * old + 0.25 * new)


def test_a_changing_model_is_shared_with_no_other(learner: Any) -> None:
    two = ("objective/shaping=[kl_penalty]", "objective.shaping.kl_penalty.role=judge")
    made = learner(*HELD, *two, "models.judge=start", "curriculum.every=1")
    assert made.model("judge") is not made.model("reference")
    made.step(0)
    assert not same(weights(made.model("judge")), weights(made.model("reference")))


def test_two_trained_models_exchange_their_places(learner: Any) -> None:
    made, plain = learner(*OTHER, "curriculum.every=2"), learner(*OTHER, "curriculum.every=9")
    for step in range(2):
        made.step(step)
        plain.step(step)
    assert same(weights(made.policy), weights(plain.model("other")))
    assert same(weights(made.model("other")), weights(plain.policy))
    assert not same(weights(made.policy), weights(plain.policy))
    sampled = made.step(2).samples  # the engines have the exchanged weights
    assert sampled != plain.step(2).samples


def test_an_optimizer_begins_anew(learner: Any) -> None:
    made = learner(*HELD, "curriculum.anew=true", "curriculum.every=2")
    made.step(0)
    assert made.trainee.optimizer_state()["state"]
    made.step(1)
    assert not made.trainee.optimizer_state()["state"]


@pytest.mark.parametrize("chosen", [HELD, (*HELD, "curriculum.how=ema"), OTHER])
def test_a_resumed_stage_has_what_changed_to_the_bit(
    learner: Any, tmp_path: Path, chosen: tuple[str, ...]
) -> None:
    whole, begun = learner(*chosen), learner(*chosen)
    told = [whole.step(step) for step in range(4)]
    for step in range(3):
        begun.step(step)
    tree.save(begun.state_dict(), tmp_path / "saved")
    gone_on = learner(*chosen)
    gone_on.load_state_dict(tree.load(tmp_path / "saved"))
    again = gone_on.step(3)
    assert again.metrics == told[3].metrics
    assert again.samples == told[3].samples
    assert same(weights(whole.policy), weights(gone_on.policy))


def test_a_behaviour_policy_is_replaced_in_time(learner: Any, tmp_path: Path) -> None:
    learner().policy.save(tmp_path / "M")
    own = (EXCHANGE, "curriculum.role=rollout.model_from", "curriculum.every=1")
    with pytest.raises(ConfigError, match=r"stages\.STAGE\.rollout\.model_from=start"):
        learner(*own)  # the policy samples there itself
    made = learner(
        *own, f"stages.rl.rollout.model_from={tmp_path / 'M'}", rollout_from=tmp_path / "M"
    )
    made.step(0)
    assert same(weights(made.model("rollout.model_from")), weights(made.policy))


@pytest.mark.parametrize("role", ["behaviour", "guide"])
def test_a_resumed_stage_samples_from_the_weights_that_had_changed(
    learner: Any, tmp_path: Path, role: str
) -> None:
    """The engines of models that are not trained are opened before the state is loaded."""
    learner().policy.save(tmp_path / "M")
    if role == "behaviour":
        frozen = (
            "curriculum.role=rollout.model_from",
            f"stages.rl.rollout.model_from={tmp_path / 'M'}",
        )
        given = {"rollout_from": tmp_path / "M"}
    else:
        voices = Path(__file__).parents[1] / "two_voices.py"
        mixed = (f"rollout/logits={voices}:Mixture", "rollout.logits.share=0.9")
        frozen, given = ("curriculum.role=guide", "models.guide=start", *mixed), {}
    chosen = (EXCHANGE, "curriculum.every=2", "optimizer.lr=0.05", *frozen)
    whole, begun = learner(*chosen, **given), learner(*chosen, **given)
    told = [whole.step(step) for step in range(4)]
    for step in range(3):
        begun.step(step)
    tree.save(begun.state_dict(), tmp_path / "saved")
    gone_on = learner(*chosen, **given)
    gone_on.load_state_dict(tree.load(tmp_path / "saved"))
    again = gone_on.step(3)
    assert again.samples == told[3].samples
    assert again.metrics == told[3].metrics
    assert same(weights(whole.policy), weights(gone_on.policy))


def test_what_nobody_declares_to_change_stays_as_it_is(learner: Any) -> None:
    made = learner("objective/regularizer=[kl]")
    with pytest.raises(StageError, match="no component that the stage reads says so"):
        made.copy("reference")
    with pytest.raises(StageError, match="nothing trains reference"):
        made.reset("reference")


def test_a_model_of_another_architecture_is_refused_before_the_first_step(learner: Any) -> None:
    other = ("models.reference=base", "models.reference.model=tiny")
    with pytest.raises(ModelError, match=r"models\.reference is to take weights"):
        learner(*HELD, *other)
