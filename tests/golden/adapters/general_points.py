"""General Points: the score of answers, as the published scorer evaluates formulas."""

from __future__ import annotations

from typing import Any

from etude.rows import Candidate
from etude.verifier.general_points import GeneralPoints

METHOD = "general_points"
CONFIG = {"kind", "with_solutions", "rewards"}
INPUTS = {"items"}

#: Names of the scores in the cases, and the options that hold them here.
SCORES = {
    "CORRECT_SOLUTION": "correct",
    "PARTIAL_SOLUTION": "partial",
    "NO_SOLUTION": "wrong",
    "INCORRECT_NUMBER": "number",
    "ILLEGAL_FORMULA": "illegal",
}

#: The score of misread cards, which the scorer has and never gives.
UNUSED = "INCORRECT_VISION"


def run(case: Any) -> None:
    assert case.config.take("kind") == "score"
    given = dict(case.config.take("rewards"))
    given.pop(UNUSED, None)
    assert set(given) == set(SCORES), given
    verifier = GeneralPoints(
        exact=case.config.take("exact", False),
        solutions=case.config.take("with_solutions"),
        **{SCORES[name]: float(score) for name, score in given.items()},
    )
    items = case.inputs.take("items")
    judged = verifier.verdicts([Candidate("hand", 0, "", each["text"], each) for each in items])
    case.check("scores", [verdict.parts["score"] for verdict in judged])
    case.check_if_given("validity", [verdict.parts["validity"] for verdict in judged])
    case.check_if_given("outcomes", [str(verdict.outcome) for verdict in judged])
