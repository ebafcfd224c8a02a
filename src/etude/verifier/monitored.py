"""The verifier that pays, watched by one that is believed: an alarm when the two separate.

A policy that finds what its verifier wrongly accepts is paid more and more while it solves no more
(arXiv 2505.22203). On a share of the training rows an oracle judges, too; per step

    gap = mean(part − oracle's part)        separation = running mean of the gap − its start

over the rows that both judged. Its start is the mean of the first steps: a verifier that was always
more generous than the oracle is no alarm. The alarm goes off, and stays on, once the separation has
been above ``margin`` for ``patience`` steps in a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from etude.component import component, option, slot
from etude.feedback import StepFeedback
from etude.live import Tree
from etude.randomness import seed_of
from etude.rows import POLICY, Candidate, Verdict
from etude.verifier.host import Host
from etude.verifier.interface import Ahead
from etude.verifier.opened import Judging, OpenedVerifier
from etude.verifier.readable import Readable


@component(source="arXiv 2505.22203", provides=["part:oracle"])
@dataclass(frozen=True)
class Monitored(OpenedVerifier):
    """What one verifier pays, beside what an oracle says of a share of the rows: ``oracle``.

    Rewards are those of the first; measurements are the oracle's. When the two separate, an alarm
    is logged and told.
    """

    example: ClassVar[str] = "recipe=rl verifier=monitored models.judge=base"

    rule: Readable = slot("generative", "the verifier that rewards", group="verifier")
    oracle: Readable = slot("math", "the one that is believed", group="verifier")
    part: str = option("accuracy", "the part that both give, which is compared", form="part")
    share: float = option(0.25, "share of the training rows that the oracle judges", gt=0, le=1)
    first: int = option(5, "steps whose mean gap is where the two begin", ge=1)
    decay: float = option(0.8, "how much of the running gap a step keeps", ge=0, lt=1)
    margin: float = option(0.15, "the separation that is too much", gt=0)
    patience: int = option(3, "steps in a row above the margin before the alarm", ge=1)

    def open(self, host: Host) -> Watching:
        """Open both verifiers."""
        return Watching(self, host.open(self.rule), host.open(self.oracle))


class Watching(Judging):
    """Judges by one verifier and compares it with the other, over the rows of all ranks."""

    def __init__(self, config: Monitored, rule: Any, oracle: Any) -> None:
        self._config = config
        self._rule = rule
        self._oracle = oracle
        self._steps = self._above = 0
        self._start = self._gap = 0.0
        self._numbers: dict[str, float] = {}

    def expect(self, candidates: Sequence[Candidate]) -> None:
        """Have the workers of both begin with the answers that each will be asked about."""
        measured, paid, seen = self._dealt(candidates)
        for judge, places in ((self._oracle, [*measured, *seen]), (self._rule, paid)):
            if isinstance(judge, Ahead):
                judge.expect([candidates[i] for i in places])

    def go_on(self) -> None:
        """Have the workers of both looked after."""
        for judge in (self._oracle, self._rule):
            if isinstance(judge, Ahead):
                judge.go_on()

    def _dealt(self, candidates: Sequence[Candidate]) -> tuple[list[int], list[int], list[int]]:
        """Return which answers are measured, which are paid, and which of those the oracle sees."""
        measured = [i for i, each in enumerate(candidates) if each.evaluation]
        paid = [i for i, each in enumerate(candidates) if not each.evaluation]
        limit = self._config.share * 2**64
        return measured, paid, [i for i in paid if seed_of("oracle", candidates[i].seed) < limit]

    def judge(self, candidates: Sequence[Candidate]) -> list[Verdict]:
        """Return the verdicts of the rule, or of the oracle where a model is measured."""
        config = self._config
        measured, paid, seen = self._dealt(candidates)
        places = [*measured, *seen]
        believed = self._oracle.verify([candidates[i] for i in places])
        oracle = dict(zip(places, believed, strict=True))
        found = {i: oracle[i] for i in measured}
        found |= zip(paid, self._rule.verify([candidates[i] for i in paid]), strict=True)
        for i in seen:
            value = oracle[i].parts.get(config.part)
            if value is not None and config.part in found[i].parts:
                found[i] = replace(found[i], parts={**found[i].parts, "oracle": value})
        return [found[i] for i in range(len(candidates))]

    def observe(self, feedback: StepFeedback) -> None:
        """Move the gap by the rows of a step that both have judged."""
        config = self._config
        both = [
            (row.parts[config.part], row.parts["oracle"])
            for row in feedback.rows
            if "oracle" in row.parts and row.role == POLICY
        ]
        if not both:
            return
        paid = sum(each for each, _ in both) / len(both)
        oracle = sum(each for _, each in both) / len(both)
        gap = paid - oracle
        self._steps += 1
        if self._steps <= config.first:
            self._start += (gap - self._start) / self._steps
            self._gap = self._start
        else:
            self._gap = config.decay * self._gap + (1 - config.decay) * gap
        separation = self._gap - self._start
        alarmed = self._above >= config.patience
        self._above = self._above + 1 if alarmed or separation > config.margin else 0
        self._numbers = {
            "paid": paid,
            "oracle": oracle,
            "separation": separation,
            "alarm": float(self._above >= config.patience),
        }

    def metrics(self) -> dict[str, float]:
        """Return what both said of the rows of the last step, how far they are, and the alarm."""
        return dict(self._numbers)

    def state_dict(self) -> Tree:
        """Return the gap and the count of steps above the margin."""
        return {
            "steps": self._steps,
            "above": self._above,
            "start": self._start,
            "gap": self._gap,
            "numbers": self._numbers,
        }

    def load_state_dict(self, state: Tree) -> None:
        """Restore them."""
        self._steps, self._above = int(state["steps"]), int(state["above"])
        self._start, self._gap = float(state["start"]), float(state["gap"])
        self._numbers = dict(state["numbers"])
