"""What each step is worth, and the first pit."""

from __future__ import annotations

from typing import Any

from etude.objective.step_pairs import StepPairs
from etude.primitives.steps import success_rates
from etude.rows import Example, Row

METHOD = "per_step_negatives"
CONFIG = {"kind", "rollouts_per_step", "best_of_k"}
INPUTS = {"rollout_success", "prompt_success_rate"}


def run(case: Any) -> None:
    config, inputs = case.config, case.inputs
    assert config.take("kind") == "step_advantage"
    successes = inputs.take("rollout_success")
    objective = StepPairs(
        continuations=config.take("rollouts_per_step"), best_of=config.take("best_of_k")
    )
    assert all(len(step) == objective.continuations for step in successes)
    row = Row("one", 0, (0,), (), [], Example("one", "golden", "prompt"))
    ends = list(range(len(successes)))
    steps = objective.valued(row, ends, successes, inputs.take("prompt_success_rate"))
    case.check("success_rate", success_rates(successes))
    case.check("q", steps.values)
    case.check("advantage", steps.advantages)
    case.check("first_pit", steps.pit)
