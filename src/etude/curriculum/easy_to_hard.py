"""Staged difficulty: easy prompts first, then harder ones, with some of the earlier ones again.

Prompts are sorted by a column (a level, or a share of right answers of a reference model) and cut
into phases. A phase ends after ``steps`` steps or, with ``goal``, from ``min_steps`` on as soon as
the share of right answers to its own prompts reaches that. In phase k a prompt is one of phase k
with probability 1 − replay, and one of those before with probability replay; all are alike there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from etude.component import Need, Rule, component, option
from etude.curriculum.interface import Curriculum, StepPlan
from etude.curriculum.phases import InPhases, PhaseRule, Phases, equal_shares, one_each
from etude.data_mix.draw import Draw
from etude.data_mix.known import Known, Numbers
from etude.errors import DataError
from etude.feedback import StepFeedback
from etude.rows import Outcome

_AS_MANY = (
    "(edges == null and len({0}) in (1, phases)) or "
    "(edges != null and len({0}) in (1, len(edges) + 1))"
)


def _rule(key: str) -> Rule:
    """Return that a list holds one value, or one for each phase."""
    return Rule(
        _AS_MANY.format(key), f"is {{{key}}}: give one number, or one for each phase.", key=key
    )


@component(
    requires=[
        Need("column:{by}", why="to tell easy prompts from hard ones"),
        Need("column:solution", when="hints != null", why="to show the beginning of"),
    ]
)
@dataclass(frozen=True)
class EasyToHard(Curriculum):
    """Trains on easy prompts first and on harder ones later, replaying some of the earlier."""

    words: ClassVar[str] = "from easy to hard by {by}, {replay} of earlier phases"
    depends_on_steps: ClassVar[bool] = True
    rules: ClassVar[tuple[Rule, ...]] = (
        _rule("steps"),
        _rule("goal"),
        _rule("min_steps"),
        _rule("hints"),
    )

    by: str = option("level", "column of the data that says how hard a prompt is", form="filled")
    harder: str = option(
        "higher",
        "higher: a larger number is harder (a level) | lower (a share of right answers)",
        choices=("higher", "lower"),
    )
    phases: int = option(3, "phases of about as many prompts, where no edges are given", ge=1)
    edges: list[float] | None = option(
        None, "numbers at which phases end, the easier side included; null: phases", items=1
    )
    steps: list[int] | None = option(
        None, "steps after which each phase ends; null: equal shares of the stage's", ge=1, items=1
    )
    goal: list[float] | None = option(
        None,
        "share of right answers to its prompts at which a phase ends before that; null: none",
        ge=0,
        items=1,
    )
    min_steps: list[int] = option(
        [10], "steps that each phase lasts, however many answers are right", ge=1, items=1
    )
    hints: list[float] | None = option(
        None,
        "share of the worked solution that prompts show in each phase; null: none",
        ge=0,
        le=1,
        items=1,
    )
    replay: float = option(0.2, "share of prompts that are of earlier phases", ge=0, lt=1)

    def hardness(self, values: Numbers) -> Numbers:
        """Return numbers that grow with difficulty; what has none is hardest."""
        signed = values if self.harder == "higher" else -values
        return np.where(np.isnan(signed), np.inf, signed)

    def bounds(self, values: Numbers) -> Numbers:
        """Return the hardness up to which each phase but the last goes, of all prompts' values."""
        if self.edges is not None:
            return np.sort(self.hardness(np.array(self.edges, dtype=np.float64)))
        distinct, counts = np.unique(self.hardness(values), return_counts=True)
        ends, phases = np.cumsum(counts), min(self.phases, len(distinct))
        bounds, begin = [], 0
        for phase in range(1, phases):
            # Whatever shares a value stays together, and each later phase has one of its own.
            able = np.arange(begin, len(distinct) - (phases - phase))
            last = able[np.abs(ends[able] - len(values) * phase / phases).argmin()]
            bounds.append(distinct[last])
            begin = last + 1
        return np.array(bounds)

    def weights(self, phases: NDArray[np.int64], phase: int) -> Numbers:
        """Return the chance of each prompt in a phase, by the phase it belongs to."""
        own, earlier = phases == phase, phases < phase
        replay = self.replay if earlier.any() else 0.0
        if not own.any():
            replay = 1.0
        found = np.where(own, (1.0 - replay) / max(1, own.sum()), 0.0)
        return found + np.where(earlier, replay / max(1, earlier.sum()), 0.0)

    def open(self, stage: Any) -> EasyToHardState:
        """Return what plans the steps of a stage; raises DataError for a phase without prompts."""
        columns = [values for values in stage.stream.column(self.by).values() if len(values)]
        values = np.concatenate(columns) if columns else np.empty(0)
        bounds = self.bounds(values)
        counts = np.bincount(
            np.searchsorted(bounds, self.hardness(values)), minlength=len(bounds) + 1
        )
        if (counts == 0).any():
            raise DataError(
                f"curriculum.edges={self.edges}: phase {int(np.argmin(counts)) + 1} has no prompt; "
                f"{self.by} is {np.nanmin(values):g} to {np.nanmax(values):g} in data_mix.train"
            )
        for key in ("steps", "goal", "min_steps", "hints"):
            given = getattr(self, key)
            if given is not None and len(given) not in (1, len(counts)):
                raise DataError(
                    f"curriculum.{key}={given}: the values of {self.by} in data_mix.train make "
                    f"{len(counts)} of {self.phases} phases; give one number, or one for each"
                )
        return EasyToHardState(self, bounds, stage.steps)


class EasyToHardState(InPhases):
    """The present phase of a stage."""

    def __init__(self, config: EasyToHard, bounds: Numbers, steps: int) -> None:
        self._config = config
        self._bounds = bounds
        count = len(bounds) + 1
        most = equal_shares(steps, count)
        if config.steps is not None:
            most = one_each(config.steps, count)
        goal = None if config.goal is None else one_each(config.goal, count)
        super().__init__(Phases(PhaseRule(most, one_each(config.min_steps, count), goal)))
        self._hints = config.hints and one_each(config.hints, count)

    def plan(self, step: int) -> StepPlan:
        """Return a draw of the present phase, or of all prompts where there is only one."""
        draw = Draw(row_weights=self._weights) if len(self._bounds) else None
        return StepPlan(draw=draw, hints=self._hints[self.phases.phase] if self._hints else None)

    def _weights(self, known: Known) -> Numbers:
        phases = self._phase_of(known.column(self._config.by))
        return self._config.weights(phases, self.phases.phase)

    def _phase_of(self, values: Numbers) -> NDArray[np.int64]:
        return np.searchsorted(self._bounds, self._config.hardness(values))

    def observe(self, feedback: StepFeedback) -> None:
        """Go on to the next phase where this one ends; ``metrics`` are of the step that was."""
        phase = self.phases.phase
        given = [row.columns.get(self._config.by) for row in feedback.rows]
        values = np.array([np.nan if value is None else float(value) for value in given])
        own = self._phase_of(values) == phase
        right = np.array([row.outcome is Outcome.CORRECT for row in feedback.rows], dtype=bool)
        share = float(right[own].mean()) if own.any() else 0.0
        self._metrics = {"phase": phase + 1.0, "right": share}
        if self._hints:
            self._metrics["hints"] = self._hints[phase]
        if len(own):
            self._metrics["replayed"] = 1.0 - float(own.mean())
        self.phases.heard(share)
