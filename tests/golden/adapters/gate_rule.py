"""A gate within a stage: what each candidate's score is compared with, and what becomes best."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from etude.gating import Standing
from etude.rollout.gate.improvement import Improvement, ImprovementState

METHOD = "gated_stages"
CONFIG = {"kind", "delta", "mode", "relative"}
INPUTS = {"initial", "candidate_scores"}


class Stage(SimpleNamespace):
    """A stage in which nothing is sampled: it counts how often the behaviour policy is replaced."""

    on_policy = False

    def copy(self, role: str) -> None:
        assert role == "rollout.model_from"
        self.replaced = getattr(self, "replaced", 0) + 1


def opened(**options: Any) -> tuple[Improvement, ImprovementState, Stage]:
    """Return a gate, its live side, and the stage it is in."""
    gate, stage = Improvement(**options), Stage()
    state = gate.open(stage)
    assert state is not None
    return gate, state, stage


def run(case: Any) -> None:
    case.config.choose("kind", {"gate": None})
    gate, state, stage = opened(
        rule=case.config.choose("mode", {"strict": "strict", "ge": "margin"}),
        delta=case.config.take("delta"),
        relative=case.config.take("relative"),
    )
    state.standing = Standing(case.inputs.take("initial"))
    trace = []
    for step, score in enumerate(case.inputs.take("candidate_scores")):
        threshold = gate.gate_rule.threshold(state.standing.best)
        accepted = state.decide(score, step)
        said = {"accepted": int(accepted), "best": state.standing.best, "threshold": threshold}
        trace.append(said)
        assert getattr(stage, "replaced", 0) == sum(each["accepted"] for each in trace)
    case.check("trace", trace)
