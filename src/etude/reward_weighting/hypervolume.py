"""A reward that is worth more after steps that extended a front (arXiv 2509.11452).

    R = m · Σ_k w_k · part_k        m = least + gain · tanh(c),  1 until the first measurement

c is how much the hypervolume of what was measured in training grew by the latest measurement, above
what the model was worth before it learned; a point that adds nothing is not kept. So m is 0.5 when
nothing was gained and up to 2. One factor on every reward is lost in a z-score: advantages have to
be differences that nothing divides. Objectives count in their own units, so a length in tokens
saturates tanh at once, as in the authors' code; ``normalise`` divides each by its first value.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from etude.component import SCALE_FREE, Need, component, option
from etude.errors import StageError
from etude.feedback import StepFeedback
from etude.live import Tree
from etude.primitives.hypervolume import contribution, hypervolume
from etude.reward_weighting.interface import Combined
from etude.reward_weighting.weighted import Weighted, weighted_sum


@component(
    source="arXiv 2509.11452",
    requires=[
        Need("evaluation:{evaluation}@{every}", why="to see whether the front moves"),
        Need("evaluation:{evaluation}@start", why="to know what the model is worth as it begins"),
    ],
    conflicts=[
        Need(
            SCALE_FREE,
            why="a factor on every reward of a step does not reach advantages that are divided by "
            "how much rewards differ, or do not look at their size "
            "(objective.advantage.scale=none, objective=dr_grpo, rloo and reinforce keep it)",
        )
    ],
)
@dataclass(frozen=True)
class Hypervolume(Weighted):
    """A weighted sum, times a factor that is large after a step that extended the Pareto front."""

    example: ClassVar[str] = "objective=dr_grpo reward_weighting=hypervolume"

    evaluation: str = option(
        "main", "the evaluation that measures the objectives (evaluations.NAME)", form="filled"
    )
    every: int = option(1, "steps between two measurements (the authors': 1)", ge=1)
    maximised: list[str] = option(
        ["pass@1"], "metrics of that evaluation that shall be large", form="metric"
    )
    minimised: list[str] = option(["length"], "those that shall be small", form="metric")
    least: float = option(0.5, "the factor when nothing is gained", gt=0)
    gain: float = option(
        1.5, "how much more it is at most; least=1 gain=0 is the weighted sum", ge=0
    )
    normalise: bool = option(
        False, "count objectives as shares of their first value, and not in their own units"
    )

    def start(self, seed: int) -> Tree:
        """Return a factor of 1 and nothing measured."""
        return {"factor": 1.0, "points": [], "contribution": 0.0}

    def combine(self, parts: Mapping[str, Tensor], state: Tree) -> Combined:
        """Return the rewards ``[N]``: the weighted sum, times the factor of the latest measure."""
        factor = state["factor"]
        weights = {name: factor * weight for name, weight in self.weighed(parts).items()}
        return Combined(factor * weighted_sum(self.weighed(parts), parts), weights=weights)

    def begin(self, state: Tree, evaluations: Mapping[str, Mapping[str, float]]) -> Tree:
        """Return the state with what the model is worth before the first step: the reference."""
        return {**state, "points": [self.point(evaluations[self.evaluation])]}

    def observe(self, state: Tree, feedback: StepFeedback) -> Tree:
        """Return the state with the factor that a new measurement gives."""
        if (feedback.step + 1) % self.every:
            return state
        return self.measured(state, self.point(feedback.evaluations[self.evaluation]))

    def measured(self, state: Tree, point: Sequence[float]) -> Tree:
        """Return the state after a point, every coordinate of which is to be large."""
        reference, *reached = self._scaled([*state["points"], point])
        gained = contribution(reached[-1], reached[:-1], reference)
        return {
            "factor": self.least + self.gain * math.tanh(gained),
            "points": [*state["points"], list(point)] if gained > 0 else state["points"],
            "contribution": gained,
        }

    def metrics(self, state: Tree) -> dict[str, float]:
        """Return the factor of the next step, the volume, and what the latest measure was."""
        if not state["points"]:
            return {"factor": state["factor"]}
        reference, *reached = self._scaled(state["points"])
        best = {
            f"best/{name}": sign * max(point[place] for point in state["points"])
            for place, (name, sign) in enumerate(self._signs().items())
        }
        return {
            "factor": state["factor"],
            "hypervolume": hypervolume(reached, reference),
            "contribution": state["contribution"],
            "points": float(len(reached)),
            **best,
        }

    def _signs(self) -> dict[str, float]:
        return {**dict.fromkeys(self.maximised, 1.0), **dict.fromkeys(self.minimised, -1.0)}

    def point(self, measured: Mapping[str, float]) -> list[float]:
        """Return a measurement as coordinates that are to be large."""
        lacking = [k for k in self._signs() if not math.isfinite(measured.get(k, math.nan))]
        if lacking:
            raise StageError(
                f"reward_weighting=hypervolume reads {', '.join(lacking)} of the evaluation "
                f"{self.evaluation}, which came to no number; it has: {', '.join(measured)}"
            )
        return [sign * measured[name] for name, sign in self._signs().items()]

    def _scaled(self, points: Sequence[Sequence[float]]) -> list[list[float]]:
        if not self.normalise:
            return [list(point) for point in points]
        units = [abs(x) or 1.0 for x in points[0]]
        return [[x / unit for x, unit in zip(point, units, strict=True)] for point in points]
