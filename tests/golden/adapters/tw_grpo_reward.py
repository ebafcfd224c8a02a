"""TW-GRPO: the graded reward of questions with several right choices."""

from __future__ import annotations

from typing import Any

from etude.rows import Candidate
from etude.verifier.choices import Choices

METHOD = "tw_grpo"
CONFIG: set[str] = set()
INPUTS = {"pairs"}


def run(case: Any) -> None:
    verifier = Choices()
    rewards = []
    for number, (given, right) in enumerate(case.inputs.take("pairs")):
        response = f"<think>so</think><answer>{given}</answer>"
        verdict = verifier.judge(Candidate("q", number, "", response, {"answer": right}))
        rewards.append(verdict.parts["choices"])
    case.check("reward", rewards)
