"""A role: a model of a stage beside the one it trains, what it is and how it is loaded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from etude.component import option, slot


@dataclass(frozen=True)
class RoleTraining:
    """How a role is trained: what lies over the stage for it, as a stage's keys lie over the root.

    A role that has an objective here is trained as the policy is, on rows of its own.
    """

    objective: Any = slot(
        "",
        "what it is trained for, on rows of its own; null: a component of the stage trains it, or "
        "nothing does",
        group="objective",
        follows=True,
    )
    optimizer: Any = slot(
        "",
        "what moves it; null: the stage's optimizer, at the rate its part says",
        group="optimizer",
        follows=True,
    )
    verifier: Any = slot(
        "", "what judges its answers; null: the stage's", group="verifier", follows=True
    )
    reward_weighting: Any = slot(
        "",
        "how the parts of its answers become a reward; null: the stage's",
        group="reward_weighting",
        follows=True,
    )
    training: Any = slot("", "on how many rows; null: the stage's", group="training", follows=True)
    rollout: Any = slot(
        "", "how it samples; null: as the stage does", group="rollout", follows=True
    )
    data_mix: Any = slot(
        "", "which prompts it answers; null: the stage's", group="data_mix", follows=True
    )
    schedule: Any = slot(
        "",
        "in which steps it is updated; null: in every one, beside the policy",
        group="models/schedule",
    )


@dataclass(frozen=True)
class Role:
    """What the model of a role is, and how it is loaded."""

    load: str = option(
        doc="start (the model the stage starts from), base (the model before any stage), a stage, "
        "STAGE.OUTPUT (a role it trained), handed_on (what the stage before trained under this "
        "role), or a folder",
        form="model reference",
    )
    model: Any = slot(
        "", "the model component it is loaded by; null: the stage's own", group="model"
    )
    train: RoleTraining = field(
        default_factory=RoleTraining, metadata={"doc": "how it is trained, where it is"}
    )
