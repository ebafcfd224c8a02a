"""Loss and gradient of given rows do not depend on how the rows are laid out or cut up."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
import torch

from etude import schema
from etude.rows import Row

OBJECTIVES = tuple(
    sorted(
        name
        for name, info in schema.load().choices("objective").items()
        if info.learner == "policy_gradient" and info.source
    )
)
#: Objective → what it needs to have signal on a few rows.
SUITED = {"riskpo": ("objective.advantage.bundle_size=2",)}
#: Methods to which it matters which prompts follow each other.
BUNDLED = {"riskpo"}
LIMITS = {"float32": 1e-5, "float64": 1e-10}
#: One of each kind of sum: over tokens, with a critic, with demonstrations, over whole answers.
IN_FLOAT32 = ("grpo", "ppo", "luffy", "gspo")


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
    from etude.learner.clock import Clock

    recorder = Recorder(learner.policy)
    learner.trainee = recorder
    learner.learner.learn(groups, 0, Clock())
    return recorder


def assert_same(one: Recorder, other: Recorder, limit: float) -> None:
    scale = max(float(one.gradient.norm()), 1e-30)
    assert float((one.gradient - other.gradient).norm()) / scale < limit
    assert other.loss == pytest.approx(one.loss, rel=limit, abs=limit)


@pytest.fixture(scope="module")
def given(
    open_learner: Any, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[list[Row]]]:
    """Return rewarded groups by the precision of the model that wrote them."""
    found = {}
    for dtype in LIMITS:
        words = ("objective=grpo", f"model.dtype={dtype}", "model.initializer_range=0.3")
        made = open_learner(tmp_path_factory.mktemp(dtype), *words)
        groups = made.learner.rollouts.gather(0, made.learner.curriculum.plan(0)).groups
        for number, row in enumerate(row for group in groups for row in group):
            row.reward = float((row.index + number // 4) % 2)
            row.verdict = replace(row.verdict, parts={"accuracy": row.reward, "format": 1.0})
        made.close()
        found[dtype] = groups
    return found


@pytest.mark.parametrize(
    ("objective", "dtype"),
    [
        *((objective, "float64") for objective in OBJECTIVES),
        *((objective, "float32") for objective in IN_FLOAT32),
    ],
)
def test_policy_gradients_do_not_depend_on_layout(
    learner: Any, given: Any, objective: str, dtype: str
) -> None:
    overrides = [
        f"objective={objective}",
        *SUITED.get(objective, ()),
        f"model.dtype={dtype}",
        "objective/regularizer=[kl,entropy]",
        "model.initializer_range=0.3",
    ]
    whole = learner(*overrides, "execution.micro_batch_tokens=100000")
    groups = deepcopy(given[dtype])
    expected = measured(whole, groups)
    assert expected.gradient.norm() > 0
    apart = ("execution.micro_batch_tokens=60", "execution.share_prompts=false")
    placed = groups if objective in BUNDLED else list(reversed(groups))
    turned = [list(reversed(group)) for group in placed]
    small = measured(learner(*overrides, *apart), turned)
    assert_same(expected, small, LIMITS[dtype])


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
