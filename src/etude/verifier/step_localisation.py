"""How near a judge's first wrong step is to the true one: what trains it (arXiv 2510.22543).

    the true one is −1 (no step is wrong):  1 where the judge says −1, else −1
    it is g:                                −1 where the judge says −1, else 1 − |v − g| / n

v is what the last box in the last 300 characters of the response holds; where that is neither −1
nor one of the n steps the reward is −1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from etude.component import Need, component, option
from etude.rows import Candidate, Outcome, StopReason, Verdict
from etude.verifier.interface import THOUGHT, Verifier
from etude.verifier.verdict.first_wrong_step import CLEAN, boxed_step


@component(
    source="arXiv 2510.22543",
    requires=[
        Need("column:first_wrong", why="to know which step is the first wrong one, -1: none"),
        Need("column:total_steps", why="to know how many steps the solution has"),
    ],
    provides=["part:accuracy", "part:localisation", "part:format", "part:length", THOUGHT],
)
@dataclass(frozen=True)
class StepLocalisation(Verifier):
    """Judges a judge of steps: whether it finds the first wrong step, or that there is none.

    The part ``localisation`` is the published reward, from -1 to 1, which the reward weighting of
    the same name takes; ``accuracy`` is 1 where the response and the truth agree that there is a
    wrong step, or that there is none.
    """

    example: ClassVar[str] = "recipe=rl data_mix=arithmetic_flaws verifier=step_localisation"

    window: int = option(300, "characters at the end of a response that are read", ge=1)

    def unreadable(self, columns: Mapping[str, Any]) -> str | None:
        """Return why a row's true step cannot be read, None where it can."""
        return None if _truth(columns) is not None else "has no first wrong step of its steps"

    def judge(self, candidate: Candidate) -> Verdict:
        """Return the verdict on one reply of a judge."""
        truth = _truth(candidate.columns)
        if truth is None:
            raise ValueError(f"first_wrong is {candidate.columns['first_wrong']!r}")
        gold, steps = truth
        said = boxed_step(candidate.response, steps, self.window)
        agrees = said is not None and (said == CLEAN) == (gold == CLEAN)
        parts = {
            "accuracy": float(agrees),
            "localisation": localisation(said, gold, steps),
            "format": float(said is not None and candidate.stop_reason is not StopReason.LENGTH),
            "length": float(candidate.length),
        }
        if said is None:
            return Verdict(Outcome.NO_ANSWER, parts, detail="no box holds -1 or one of the steps")
        return Verdict(Outcome.CORRECT if agrees else Outcome.WRONG, parts, str(said))


def localisation(said: int | None, gold: int, steps: int) -> float:
    """Return the reward of a judge that says ``said`` of a solution whose first wrong step is
    ``gold`` (-1: none) of ``steps``; None is a reply that cannot be read."""
    if said is None:
        return -1.0
    if CLEAN in (said, gold):
        return 1.0 if said == gold else -1.0
    return 1.0 - abs(said - gold) / steps


def _truth(columns: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return (first wrong step, number of steps) of a row; None where they do not fit."""
    try:
        gold, steps = int(columns["first_wrong"]), int(columns["total_steps"])
    except (KeyError, OverflowError, TypeError, ValueError):
        return None
    return (gold, steps) if gold == CLEAN or 0 <= gold < steps else None
