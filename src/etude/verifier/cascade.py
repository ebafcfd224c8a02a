"""Verifiers one after the other, the cheap ones first (arXiv 2505.22203; TinyV, arXiv 2505.14625).

Every answer is judged by the first step. A later one, as a rule a model, is asked about what the
steps before have rejected or could not decide, where the guards let the answer through: rule
verifiers err by rejecting, and models can be talked into accepting. What any step accepts is right.
A step that ran out of time, or that an answer had spend all there is, has the last word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from etude.component import Need, Rule, component, option, slots
from etude.errors import VerifierError
from etude.feedback import RowRecord, StepFeedback
from etude.live import Tree
from etude.randomness import seed_of
from etude.rows import POLICY, Candidate, Outcome, Verdict
from etude.verifier.final_answer import ReadsFinalAnswer
from etude.verifier.host import Host
from etude.verifier.opened import Judging
from etude.verifier.readable import Readable

#: Outcomes after which the next step is asked.
_OPEN = (Outcome.WRONG, Outcome.PARTIAL, Outcome.CRASHED, Outcome.REFUSED, Outcome.NO_ANSWER)


@component(
    source="arXiv 2505.22203",
    provides=[
        Need("part:said_by_{order}"),
        Need("part:tokens_of_{order}"),
        "part:guarded",
        Need("part:over_budget", when="len(budgets) > 0"),
    ],
)
@dataclass(frozen=True)
class Cascade(ReadsFinalAnswer):
    """Asks verifiers in their order, each about what those before it did not find right.

    Beside the parts of its steps there is ``said_by_STEP``: 1 where that step accepted, 0 where it
    did not, none where it was not asked; ``tokens_of_STEP`` is what a model wrote. ``guarded`` is 1
    where a guard kept an answer from a later step and 0 where one was let through.
    """

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("len(order) > 1", "is {order}: a cascade has two steps or more.", key="order"),
    )
    example: ClassVar[str] = "verifier=cascade models.judge=base"

    steps: Mapping[str, Readable] = slots(
        "math", "generative", doc="the verifiers: key → one of the group", group="verifier"
    )
    order: list[str] = option(["math", "generative"], "the keys of steps in the order of asking")
    guards: bool = option(True, "later steps see only answers that guards let through")
    weights: dict[str, float] = option(
        {}, "what an acceptance by a step counts, 1 where none is given: step → share", ge=0, le=1
    )
    combine: str = option(
        "first",
        "first (the first step that accepts decides) | mean (all are asked, and the accuracy is "
        "the mean of what they say, by weights)",
        choices=("first", "mean"),
    )
    budgets: dict[str, float] = option(
        {}, "the most of a training step's rows that a step may be asked about: step → share", gt=0
    )
    check: float = option(
        0.0,
        "share of the accepted answers that later steps are asked about, too, for the log alone",
        ge=0,
        le=1,
    )

    def open(self, host: Host) -> Cascading:
        """Open the steps; raises VerifierError where ``order`` names others than there are."""
        unknown = sorted({*self.budgets, *self.weights} - {*self.steps})
        if sorted(self.order) != sorted(self.steps) or unknown:
            told = f"; budgets and weights name {', '.join(unknown)}" if unknown else ""
            raise VerifierError(
                f"verifier.order is {self.order}, and the steps are {sorted(self.steps)}{told}"
            )
        return Cascading(self, [(name, host.open(self.steps[name])) for name in self.order])


class Cascading(Judging):
    """Asks the steps; its state is how many rows wanted each of them, for the budgets."""

    def __init__(self, config: Cascade, steps: Sequence[tuple[str, Any]]) -> None:
        self.config = config
        self._steps = steps
        self.first = steps[0][1]
        self._chance = dict.fromkeys(config.budgets, 1.0)
        self._numbers: dict[str, float] = {}

    def judge(self, candidates: Sequence[Candidate]) -> list[Verdict]:
        """Return the verdicts of all steps together."""
        (first, judge), *later = self._steps
        asked = {first: dict(enumerate(judge.verify(candidates)))}
        found = list(asked[first].values())
        told: list[dict[str, float]] = [{} for _ in candidates]
        guarded = self._guarded(candidates, found)
        for name, judge in later:
            places = [
                i
                for i, each in enumerate(candidates)
                if self._is_asked(name, each, found[i], guarded[i], told[i])
            ]
            heard = judge.verify([candidates[i] for i in places])
            asked[name] = dict(zip(places, heard, strict=True))
            for i, verdict in asked[name].items():
                if found[i].outcome is not Outcome.CORRECT:
                    found[i] = _joined(found[i], verdict)
        return [
            self._whole(
                found[i], {name: each[i] for name, each in asked.items() if i in each}, told[i]
            )
            for i in range(len(candidates))
        ]

    def _guarded(
        self, candidates: Sequence[Candidate], found: Sequence[Verdict]
    ) -> list[str | None]:
        """Return why answers are kept from later steps."""
        config = self.config
        if not config.guards:
            return [None] * len(candidates)
        return [
            config.refused(config.final_answer(each.response), each)
            if verdict.outcome in _OPEN or config.check or config.combine == "mean"
            else None
            for each, verdict in zip(candidates, found, strict=True)
        ]

    def _is_asked(
        self, name: str, each: Candidate, found: Verdict, why: str | None, told: dict[str, float]
    ) -> bool:
        """Return whether a step is asked about an answer, and note what keeps it from that."""
        config = self.config
        if found.outcome is Outcome.TIMED_OUT or found.exhausted:
            return False
        if found.outcome is Outcome.CORRECT and config.combine == "first":
            checked = seed_of("check", name, each.seed) < config.check * 2**64
            return checked and why is None and not each.evaluation
        told["guarded"] = float(why is not None)
        if why is not None:
            return False
        if name in config.budgets and not each.evaluation:
            over = seed_of("budget", name, each.seed) >= self._chance[name] * 2**64
            told["over_budget"] = max(told.get("over_budget", 0.0), float(over))
            return not over
        return True

    def _whole(
        self, found: Verdict, said: Mapping[str, Verdict], told: Mapping[str, float]
    ) -> Verdict:
        """Return the verdict of the cascade, with what each step said."""
        if found.outcome.failed:
            return found
        own = {
            f"said_by_{name}": float(verdict.outcome is Outcome.CORRECT)
            for name, verdict in said.items()
            if not verdict.outcome.failed
        }
        tokens = {
            f"tokens_of_{name}": verdict.parts["judge_tokens"]
            for name, verdict in said.items()
            if "judge_tokens" in verdict.parts
        }
        weights = {name: self.config.weights.get(name, 1.0) for name in said}
        accuracy = found.parts.get("accuracy", 0.0)
        if self.config.combine == "mean":
            # A step that was not asked, or came to no verdict, did not accept.
            total = sum(self.config.weights.get(name, 1.0) for name in self.config.order)
            yes = sum(weights[name] * own.get(f"said_by_{name}", 0.0) for name in said)
            accuracy = yes / total if total else 0.0
        elif found.outcome is Outcome.CORRECT:
            accuracy = max(weights[name] for name in said if own.get(f"said_by_{name}"))
        parts = {**found.parts, **own, **tokens, **told, "accuracy": accuracy}
        return replace(found, parts=parts)

    # State ---------------------------------------------------------------------------------

    def observe(self, feedback: StepFeedback) -> None:
        """Count what each step was asked and said, and move the budgets' chances."""
        rows = [row for row in feedback.rows if row.parts and row.role == POLICY]
        if not rows:
            return
        found: dict[str, float] = {}
        for place, name in enumerate(self.config.order):
            said = [row for row in rows if f"said_by_{name}" in row.parts]
            share = len(said) / len(rows)
            found[f"{name}/share"] = share
            found[f"{name}/accepted"] = _mean([row.parts[f"said_by_{name}"] for row in said])
            if any(f"tokens_of_{name}" in row.parts for row in said):
                spent = sum(row.parts.get(f"tokens_of_{name}", 0.0) for row in said)
                found[f"{name}/tokens"] = spent / len(rows)
            if place:
                before = self.config.order[:place]
                found[f"{name}/disagreement"] = _mean([_differs(row, before, name) for row in said])
            if name in self._chance and share > 0:
                wanted = share / self._chance[name]
                self._chance[name] = min(1.0, self.config.budgets[name] / wanted)
        found["guarded"] = _mean([row.parts.get("guarded", 0.0) for row in rows])
        if self.config.budgets:
            found["over_budget"] = _mean([row.parts.get("over_budget", 0.0) for row in rows])
        self._numbers = found

    def metrics(self) -> dict[str, float]:
        """Return the share of rows, acceptances, disagreements and tokens a row of each step."""
        return dict(self._numbers)

    def state_dict(self) -> Tree:
        """Return the chances of budgets and the numbers of the last step."""
        return {"chance": self._chance, "numbers": self._numbers}

    def load_state_dict(self, state: Tree) -> None:
        """Restore them."""
        self._chance, self._numbers = dict(state["chance"]), dict(state["numbers"])


def _joined(before: Verdict, later: Verdict) -> Verdict:
    """Return the verdict of two steps, of which the first did not find the answer right.

    The parts of the first stand, where it had any; a step that came to no verdict changes nothing.
    """
    if later.outcome.failed:
        return before if not before.outcome.failed else later
    parts = {**later.parts, **before.parts}
    if later.outcome is Outcome.CORRECT:
        parts["accuracy"] = 1.0
        return replace(later, parts=parts)
    chosen = before if not before.outcome.failed else later
    return replace(chosen, parts=parts, exhausted=before.exhausted or later.exhausted)


def _differs(row: RowRecord, before: Sequence[str], name: str) -> float:
    """Return 1 where a step says another thing of a row than those before it."""
    accepted = any(row.parts.get(f"said_by_{each}", 0.0) for each in before)
    return float(accepted != bool(row.parts[f"said_by_{name}"]))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / max(1, len(values))
