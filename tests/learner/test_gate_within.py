"""A gate within a stage: accepted candidates sample from then on, rejected ones change nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from etude.errors import ConfigError
from etude.execute import tree
from etude.gating import Standing

BEHAVIOUR = "rollout.model_from"
GATED = ("rollout.gate=improvement", "rollout.gate.every=2", "rollout.gate.metric=length")


@pytest.fixture
def gated(learner: Any, tmp_path: Path) -> Any:
    """Return a function that builds a stage whose behaviour policy is a model of its own."""
    learner().policy.save(tmp_path / "M")

    def build(*overrides: str) -> Any:
        given = f"stages.rl.{BEHAVIOUR}={tmp_path / 'M'}"
        return learner(*GATED, given, *overrides, rollout_from=tmp_path / "M")

    return build


def weights(policy: Any) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in policy.model.parameters()]


def same(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return all(torch.equal(mine, theirs) for mine, theirs in zip(one, other, strict=True))


def knowing(made: Any, best: float) -> Any:
    """Return the gate of a stage, which is told the best score so far."""
    gate = made.live["rollout.gate"]
    gate.standing = Standing(best)
    return gate


def test_an_accepted_candidate_samples_from_the_next_step_on(gated: Any) -> None:
    made = gated()
    made.step(0)
    assert knowing(made, 0.0).decide(1.0, 1)
    assert same(weights(made.model(BEHAVIOUR)), weights(made.policy))
    again = gated()
    again.step(0)
    assert made.step(1).samples != again.step(1).samples


def test_a_rejection_leaves_the_behaviour_policy_to_the_bit(gated: Any) -> None:
    made = gated()
    before = weights(made.model(BEHAVIOUR))
    made.step(0)
    trained = weights(made.policy)
    assert not knowing(made, 5.0).decide(5.0, 1)
    assert same(weights(made.model(BEHAVIOUR)), before)
    assert same(weights(made.policy), trained)  # and training goes on from where it was


def test_a_reverted_candidate_goes_back_to_what_was_accepted(gated: Any) -> None:
    made = gated("rollout.gate.on_reject=revert")
    made.step(0)
    knowing(made, 5.0).decide(1.0, 1)
    assert same(weights(made.policy), weights(made.model(BEHAVIOUR)))
    assert not made.trainee.optimizer_state()["state"]


@pytest.mark.parametrize(
    ("chosen", "rejections"), [("patience=2", 2), ("on_reject=stop", 1), ("patience=null", 0)]
)
def test_the_stage_is_over_after_so_many_rejections_in_a_row(
    gated: Any, chosen: str, rejections: int
) -> None:
    made = gated(f"rollout.gate.{chosen}")
    gate = knowing(made, 5.0)
    for number in range(1, 4):
        gate.decide(1.0, number)
        assert bool(made.ended) == (0 < rejections <= number)


def test_the_first_best_is_the_score_of_what_samples(gated: Any) -> None:
    made = gated()
    measured = made.numbers_of("main", BEHAVIOUR)
    made.step(0)
    result = made.step(1)
    candidate = result.evaluations["main"][0]["metrics"]["length"]
    candidate = candidate["value"] if isinstance(candidate, dict) else candidate
    accepted = candidate > measured["length"]
    assert result.metrics["rollout/gate/accepted"] == float(accepted)
    assert result.metrics["rollout/gate/best"] == max(candidate, measured["length"])


def test_what_was_accepted_is_handed_on(gated: Any, tmp_path: Path) -> None:
    made = gated()
    made.step(0)
    knowing(made, 5.0).decide(9.0, 1)
    accepted = {name: each.clone() for name, each in made.policy.whole().items()}
    made.step(2)
    assert made.hands_on.steps == 1
    made.export(tmp_path / "out")
    saved = load_file(tmp_path / "out/model/model.safetensors")
    assert all(torch.equal(saved[name], each) for name, each in accepted.items() if name in saved)
    assert not same(list(accepted.values()), list(made.policy.whole().values()))


def test_a_resumed_gate_decides_as_an_uninterrupted_one(gated: Any, tmp_path: Path) -> None:
    own = ("rollout.gate.on_reject=revert", "rollout.gate.patience=3")
    whole, begun = gated(*own), gated(*own)
    told = [whole.step(step) for step in range(6)]
    for step in range(3):
        begun.step(step)
    tree.save(begun.state_dict(), tmp_path / "saved")
    gone_on = gated(*own)
    gone_on.load_state_dict(tree.load(tmp_path / "saved"))
    for step in range(3, 6):
        again = gone_on.step(step)
        assert again.metrics == told[step].metrics
        assert again.samples == told[step].samples
    assert same(weights(whole.model(BEHAVIOUR)), weights(gone_on.model(BEHAVIOUR)))
    assert whole.ended == gone_on.ended


def test_a_gate_without_a_behaviour_policy_is_refused(learner: Any) -> None:
    with pytest.raises(ConfigError, match=r"stages\.STAGE\.rollout\.model_from=start"):
        learner(*GATED)


def test_a_gate_that_no_candidate_reaches_is_refused(gated: Any) -> None:
    with pytest.raises(ConfigError, match="no candidate would be measured"):
        gated("rollout.gate.every=5000")


def test_two_ways_to_choose_what_is_handed_on_are_refused(gated: Any) -> None:
    with pytest.raises(ConfigError, match=r"training\.hand_on=last"):
        gated("training.hand_on=best")
