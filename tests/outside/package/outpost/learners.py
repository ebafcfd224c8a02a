"""A learner of its own, and the objective that names it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from etude.component import component, option
from etude.learner.policy_gradient import PolicyGradientLearner
from etude.learner.traits import learner
from etude.objective.policy_gradient import PolicyGradient


@learner(name="twice", row="answer", samples=True, groups=True, next=("objective=grpo",))
class Twice(PolicyGradientLearner):
    """Makes every so many steps once more, with other answers."""

    def __init__(self, stage) -> None:
        super().__init__(stage)
        self.repeated = 0

    def step(self, step: int):
        """Make a step, and now and then a second one of its own number."""
        done = super().step(step)
        every = self.objective.every
        if every and (step + 1) % every == 0:
            self.repeated += 1
            done = super().step(self.stage.steps + step)
        if not every:
            return done
        return replace(done, metrics={**done.metrics, "twice/repeated": float(self.repeated)})

    def state_dict(self):
        """Return how often a step was made twice."""
        return {"repeated": self.repeated}

    def load_state_dict(self, state) -> None:
        """Go on from a saved count."""
        self.repeated = int(state["repeated"])


@component(group="objective", name="twice", source="nobody 2026")
@dataclass(frozen=True)
class TwiceObjective(PolicyGradient):
    """Policy gradient, some of whose steps are made twice."""

    learner: ClassVar[str] = "twice"

    every: int = option(2, "every so many steps one is made twice; 0: never", ge=0)
