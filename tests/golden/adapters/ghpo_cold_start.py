"""From which step on hints are given."""

from __future__ import annotations

from typing import Any

from etude.objective.guidance.hints import Hints
from etude.rows import Example
from given_answers import GivenAnswers, answer

METHOD = "ghpo"
CONFIG = {"start_hint_step"}
INPUTS = {"global_steps"}


def run(case: Any) -> None:
    assert case.config.take("kind") == "cold_start"
    guidance = Hints(start_hint_step=case.config.take("start_hint_step"))
    example = Example(id="a", source="given", prompt="?")
    refined = []
    for step in case.inputs.take("global_steps"):
        sampler = GivenAnswers(
            lambda asked, _: [answer(asked, 0, accuracy=0.0)], {"a": "1+1=2"}, step=step
        )
        guidance.groups([example], 1, sampler, None)
        refined.append(sampler.visits["a"] > 1)
    case.check("refinement_active", refined)
