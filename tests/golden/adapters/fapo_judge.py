"""The reward of a judge that names the first wrong step."""

from __future__ import annotations

from typing import Any

from etude.rows import Candidate
from etude.verifier.step_localisation import StepLocalisation

METHOD = "fapo"
CONFIG = {"kind"}
INPUTS = {"solution_str"}


def run(case: Any) -> None:
    assert case.config.take("kind") == "genrm_reward"
    inputs = case.inputs
    columns = {
        "first_wrong": inputs.take("ground_truth_step"),
        "total_steps": inputs.take("total_steps"),
    }
    verifier = StepLocalisation()
    assert verifier.unreadable(columns) is None
    verdict = verifier.judge(Candidate("x", 0, "", inputs.take("solution_str"), columns))
    case.check("score", verdict.parts["localisation"])
    case.check("acc", verdict.parts["accuracy"] == 1.0)
    case.check("pred", None if verdict.extracted is None else int(verdict.extracted))
