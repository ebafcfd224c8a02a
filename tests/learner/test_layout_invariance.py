"""Loss and gradient of given rows do not depend on how the rows are laid out or cut up."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
import torch

OBJECTIVES = (
    "reinforce",
    "rloo",
    "grpo",
    "dr_grpo",
    "dapo",
    "reinforce_plus_plus",
    "reinforce_plus_plus_baseline",
    "gspo",
    "cispo",
)
LIMITS = {"float32": 1e-5, "float64": 1e-10}


class Recorder:
    """Takes the place of a trainee: adds up losses and gradients, and moves nothing."""

    def __init__(self, policy: Any) -> None:
        self.policy = policy
        self.loss = 0.0
        self.gradient = torch.zeros(0)

    def update(self, losses: Iterable[torch.Tensor], step: int, part: int = 0) -> dict[str, float]:
        self.policy.model.zero_grad()
        for loss in losses:
            self.loss += float(loss.detach())
            loss.backward()
        found = [p.grad for p in self.policy.model.parameters() if p.grad is not None]
        self.gradient = torch.cat([g.flatten() for g in found]).double()
        return {"loss": self.loss}


def measured(learner: Any, groups: Any) -> Recorder:
    """Return the loss and gradient the learner computes on given rows."""
    from etude.learner.tensors import rollout_batch

    recorder = Recorder(learner.policy)
    learner.trainee = recorder
    learner._old_and_reference_logprobs(groups)
    batch, _ = learner.objective.shape(rollout_batch(groups, 12), learner.state)
    estimate = learner.objective.estimate(batch, learner.state)
    learner._train(groups, batch, estimate, 0)
    return recorder


def assert_same(one: Recorder, other: Recorder, limit: float) -> None:
    scale = max(float(one.gradient.norm()), 1e-30)
    assert float((one.gradient - other.gradient).norm()) / scale < limit
    assert other.loss == pytest.approx(one.loss, rel=limit, abs=limit)


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_policy_gradients_do_not_depend_on_layout(learner: Any, objective: str, dtype: str) -> None:
    overrides = [
        f"objective={objective}",
        f"model.dtype={dtype}",
        "objective/regularizer=[kl,entropy]",
        "model.initializer_range=0.3",
    ]
    whole = learner(*overrides, "execution.micro_batch_tokens=100000")
    groups = (
        whole.rollouts.gather(0, whole.curriculum.plan(0)).groups
        if objective != "dapo"
        else (learner(f"model.dtype={dtype}", "model.initializer_range=0.3"))
        .rollouts.gather(0, whole.curriculum.plan(0))
        .groups
    )
    # Off-policy rows: the clip and the ratio must take part.
    for row in (row for group in groups for row in group):
        row.reward += 0.1 * row.index
    expected = measured(whole, groups)
    assert expected.gradient.norm() > 0
    small = measured(learner(*overrides, "execution.micro_batch_tokens=60"), groups)
    assert_same(expected, small, LIMITS[dtype])
    turned = [list(reversed(group)) for group in reversed(groups)]
    assert_same(expected, measured(learner(*overrides), turned), LIMITS[dtype])


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize("denominator", ["global_tokens", "per_sequence"])
def test_supervised_gradients_do_not_depend_on_layout(
    learner: Any, denominator: str, dtype: str
) -> None:
    overrides = [f"model.dtype={dtype}", f"objective.denominator={denominator}"]
    results = []
    for tokens in (100000, 40):
        made = learner(*overrides, f"execution.micro_batch_tokens={tokens}", stage="sft")
        made.trainee = Recorder(made.policy)
        made.step(0)
        results.append(made.trainee)
    assert_same(results[0], results[1], LIMITS[dtype])
