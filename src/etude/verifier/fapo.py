"""Right answers that were reached by a wrong step count less (FAPO, arXiv 2510.22543).

A judge of steps looks at the solutions of right answers alone, and in training alone. With the
paper's rewards of 1 and −1 a flawed one loses λ:

    R = 1 − λ·flawed   where the answer is right,   −1 where it is wrong

The part ``accuracy`` is (R + 1)/2, so that ``reward_weighting=fapo`` gives R, and any weighting of
``accuracy`` the same order. At λ = 1 a flawed positive is above the mean of its group as long as
there are more wrong answers in it than sound ones, and below it from then on: no schedule is
needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from etude.component import component, option, slot
from etude.feedback import StepFeedback
from etude.live import Tree
from etude.rows import POLICY, Candidate, Outcome, Verdict
from etude.verifier.host import Host
from etude.verifier.opened import Judging, OpenedVerifier
from etude.verifier.readable import Readable


@component(source="arXiv 2510.22543", provides=["part:flawed"])
@dataclass(frozen=True)
class FlawedPositives(OpenedVerifier):
    """What a rule says, and in training less for a right answer with a wrong step before it.

    The part ``flawed`` is 1 where the judge finds a wrong step and 0 where it finds none; answers
    that it was not asked about, or gave no verdict on, have none and are not flawed. Measurements
    are those of the rule.
    """

    example: ClassVar[str] = (
        "recipe=rl verifier=fapo models.judge=base verifier.process.max_new_tokens=512"
    )

    rule: Readable = slot("math", "what judges the answer itself", group="verifier")
    process: Readable = slot(
        "process_judge", "what judges the steps of right answers", group="verifier"
    )
    penalty: float = option(1.0, "λ, what a flaw takes from a reward of 1 (-1: wrong)", ge=0, le=2)

    def open(self, host: Host) -> Penalising:
        """Open the rule and the judge of steps."""
        return Penalising(self, host.open(self.rule), host.open(self.process))


class Penalising(Judging):
    """Asks the judge of steps about right answers; its state is the last step's numbers."""

    def __init__(self, config: FlawedPositives, rule: Any, process: Any) -> None:
        self._config = config
        self._rule = self.first = rule
        self._process = process
        self._numbers: dict[str, float] = {}

    def judge(self, candidates: Sequence[Candidate]) -> list[Verdict]:
        """Return the rule's verdicts, those on flawed positives with less ``accuracy``."""
        found: list[Verdict] = self._rule.verify(candidates)
        places = [
            place
            for place, (each, verdict) in enumerate(zip(candidates, found, strict=True))
            if verdict.outcome is Outcome.CORRECT and not each.evaluation
        ]
        heard = self._process.verify([candidates[place] for place in places])
        for place, said in zip(places, heard, strict=True):
            found[place] = self._judged(found[place], said)
        return found

    def _judged(self, verdict: Verdict, said: Verdict) -> Verdict:
        tokens = {k: said.parts[k] for k in ("judge_tokens", "unread") if k in said.parts}
        if said.outcome.failed or "first_wrong" not in said.parts:
            return replace(verdict, parts={**verdict.parts, **tokens})
        flawed = said.parts["first_wrong"] >= 0
        own = {**tokens, "flawed": float(flawed), "first_wrong": said.parts["first_wrong"]}
        if flawed:
            own["accuracy"] = verdict.parts["accuracy"] - self._config.penalty / 2
        told = f"flawed: step {said.parts['first_wrong']:.0f} is wrong" if flawed else None
        return replace(verdict, parts={**verdict.parts, **own}, detail=told or verdict.detail)

    def observe(self, feedback: StepFeedback) -> None:
        """Count the flawed among the right answers of a step."""
        rows = [row for row in feedback.rows if row.parts and row.role == POLICY]
        right = [row for row in rows if row.outcome is Outcome.CORRECT]
        judged = [row.parts["flawed"] for row in right if "flawed" in row.parts]
        self._numbers = {
            "flawed": sum(judged) / max(1, len(judged)),
            "unjudged": 1 - len(judged) / max(1, len(right)) if right else 0.0,
            "right": len(right) / max(1, len(rows)),
        }

    def metrics(self) -> dict[str, float]:
        """Return the shares of flawed and of unjudged ones among right answers."""
        return dict(self._numbers)

    def state_dict(self) -> Tree:
        """Return the last step's numbers."""
        return dict(self._numbers)

    def load_state_dict(self, state: Tree) -> None:
        """Restore them."""
        self._numbers = dict(state)
