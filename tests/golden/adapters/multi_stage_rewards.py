"""Options of lettered questions: who is right by the first letter, and what form an answer has."""

from __future__ import annotations

from typing import Any

from etude.rows import Candidate
from etude.verifier.option import Option

METHOD = "multi_stage_grpo"
CONFIG = {"kind"}
INPUTS = {"completions", "solutions"}


def run(case: Any) -> None:
    case.config.choose("kind", {"rewards": None})
    verifier = Option()
    answers = zip(case.inputs.take("completions"), case.inputs.take("solutions"), strict=True)
    judged = [
        verifier.judge(Candidate("a", 0, "", said, {"answer": gold})) for said, gold in answers
    ]
    for part in ("accuracy", "format"):
        case.check(part, [verdict.parts[part] for verdict in judged])
