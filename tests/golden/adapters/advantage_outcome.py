"""Advantages from one reward a row."""

from __future__ import annotations

from typing import Any

from golden_objective import objective, rollout_batch

from etude.objective.advantage.dr_grpo import GroupCentred
from etude.objective.advantage.grpo import GroupRelative
from etude.objective.advantage.reinforce import Reinforce
from etude.objective.advantage.reinforce_plus_plus_baseline import WhitenedGroupCentred
from etude.objective.advantage.rloo import LeaveOneOut

METHOD = "common_policy_gradient"
CONFIG = {"estimator"}
INPUTS = {"rewards", "group"}

STD = {
    "sample (n-1)": "sample",
    "sample": "sample",
    "population (n)": "population",
    "population": "population",
}
SCALE = {"group": "group", "batch": "batch", "none": "none"}


def grpo(config: Any) -> GroupRelative:
    return GroupRelative(
        epsilon=config.take("epsilon", 1e-6),
        std=config.choose("std", STD, "sample"),
        scale=config.choose("scale", SCALE, "group"),
    )


def dr_grpo(config: Any) -> GroupCentred:
    config.take("epsilon", None)  # given in the files, without effect: nothing is divided
    config.choose("std", STD, "sample")
    return GroupCentred()


ESTIMATORS = {
    "grpo": grpo,
    "dr_grpo": dr_grpo,
    "rloo": lambda config: LeaveOneOut(whiten=config.take("whiten", False)),
    "reinforce": lambda config: Reinforce(baseline=config.take("baseline", 0.0)),
    "reinforce_plus_plus_baseline": lambda config: WhitenedGroupCentred(),
}


def run(case: Any) -> None:
    advantage = case.config.choose("estimator", ESTIMATORS)(case.config)
    batch = rollout_batch(
        case.inputs.tensor("mask"),
        rewards=case.inputs.tensor("rewards"),
        groups=case.inputs.tensor("group").long(),
    )
    case.check("advantages", objective(advantage=advantage).advantages(batch))
