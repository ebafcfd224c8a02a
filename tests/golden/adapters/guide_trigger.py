"""Which prompts are guided."""

from __future__ import annotations

from typing import Any

from etude.objective.guidance.guide import Guide
from etude.rows import Example
from given_answers import GivenAnswers, answer

METHOD = "guide"
CONFIG = {"failure_threshold"}
INPUTS = {"rewards"}


def run(case: Any) -> None:
    assert case.config.take("kind") == "trigger"
    guidance = Guide(failure_threshold=case.config.take("failure_threshold"))
    rewards = case.inputs.take("rewards")
    examples = [
        Example(id=str(i), source="given", prompt="?", columns={"hint": "!"})
        for i in range(len(rewards))
    ]
    sampler = GivenAnswers(
        lambda asked, _: [
            answer(asked, i, accuracy=r) for i, r in enumerate(rewards[int(asked.id)])
        ]
    )
    guidance.groups(examples, len(rewards[0]), sampler, guidance.make_state())
    case.check("guided", [sampler.visits[example.id] > 1 for example in examples])
