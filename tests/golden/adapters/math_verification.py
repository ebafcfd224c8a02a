"""Final answers of math_verification: whether the rule accepts one, through its public judge."""

from __future__ import annotations

import atexit
from functools import cache
from typing import Any

from etude.build import build
from etude.rows import Candidate, Outcome

METHOD = "math_verification"
CONFIG: set[str] = set()
INPUTS = {"response", "gold"}
#: What the file says beside a case: its kind, why, and what others answered.
_TOLD = {"class", "kind", "why", "truth", "math_verify", "string_normaliser"}


def reshaped(case: dict[str, Any]) -> dict[str, Any]:
    """Return a case of the file, with its class in its name."""
    left = set(case) - _TOLD - {"id", "response", "gold", "should_match"}
    assert not left, f"{case['id']}: keys nobody knows: {sorted(left)}"
    return {
        "name": case["id"],
        "config": {},
        "inputs": {"response": case["response"], "gold": case["gold"]},
        "expected": {"should_match": case["should_match"]},
    }


@cache
def _accepts(response: str, gold: str) -> bool:
    (verdict,) = _judge().verify([Candidate("case", 0, "", response, {"answer": gold})])
    assert not verdict.outcome.failed, verdict.detail
    assert verdict.parts["accuracy"] == float(verdict.outcome is Outcome.CORRECT)
    return verdict.outcome is Outcome.CORRECT


@cache
def _judge() -> Any:
    judge = build({"name": "math"}, "verifier").open(1)
    atexit.register(judge.close)
    return judge


def run(case: Any) -> None:
    """Judge the response as training does."""
    case.check("should_match", _accepts(case.inputs.take("response"), case.inputs.take("gold")))
