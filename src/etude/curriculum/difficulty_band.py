"""Prompts of middling difficulty: those whose share of right answers lies in a band.

A group that is all right or all wrong has no signal, so prompts are drawn whose own past answers
were right sometimes (Skywork-OR1, arXiv 2505.22312, keeps 1 to 15 of 16; PRIME, arXiv 2502.01456,
0.2 to 0.8, both ends included). Rows outside the band only come when those inside are used up, the
nearest first; a row that was never judged counts as inside.

``solved`` is open-instruct's rule: a prompt whose share of right answers reached it in one visit is
not drawn again. As one lucky group would be enough, ``visits`` says how many visits a prompt must
have had. Such prompts come when nothing else is left, so a stage never runs out of rows.

The band is over what was judged in this stage. Rows with a share known beforehand are dropped by
``data_mix/filter=[band]``, and groups of a step by ``objective/filter=band``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from etude.component import Rule, component, option
from etude.curriculum.interface import Curriculum, StepPlan
from etude.data_mix.draw import Draw
from etude.data_mix.history import History
from etude.data_mix.known import Known, Numbers
from etude.feedback import StepFeedback
from etude.live import Live
from etude.rows import Outcome


@component(source="arXiv 2502.01456")
@dataclass(frozen=True)
class DifficultyBand(Curriculum):
    """Draws prompts that are solved sometimes, and those no more that were solved."""

    words: ClassVar[str] = "prompts solved {low} to {high} of the time[, none solved {solved}]"
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("low <= high", "is {low}, above {path}.high={high}."),
    )

    low: float = option(0.2, "least share of right answers, included", ge=0, le=1)
    high: float = option(0.8, "greatest share of right answers, included", ge=0, le=1)
    over: str = option(
        "all",
        "answers that the share is of: all | last (of the last visit)",
        choices=("all", "last"),
    )
    unjudged: bool = option(
        True, "prompts that were never judged count as inside; false: they come after all others"
    )
    solved: float | None = option(
        None,
        "share of right answers in a visit from which on a prompt is not drawn again; null: none",
        gt=0,
        le=1,
    )
    visits: int = option(1, "visits a prompt must have had to count as solved", ge=1)

    def inside(self, rates: Any) -> Any:
        """Return where shares of right answers lie in the band."""
        return (self.low <= rates) & (rates <= self.high)

    def excluded(self, last_rates: Any, visits: Any) -> Any:
        """Return which prompts count as solved, by their last visit and the number of visits."""
        if self.solved is None:
            return np.zeros(np.shape(last_rates), dtype=bool)
        return (np.asarray(last_rates) >= self.solved) & (np.asarray(visits) >= self.visits)

    def distance(self, known: Known) -> Numbers:
        """Return how late each row comes: by its distance to the band, solved ones after all."""
        last = known.pass_rate(last=True)
        rates = last if self.over == "last" else known.pass_rate()
        outside = np.maximum(np.maximum(self.low - rates, rates - self.high), 0.0)
        outside = np.where(np.isnan(rates), 0.0 if self.unjudged else 2.0, outside)
        if self.solved is not None:
            outside[self.excluded(last, known.visits("visits"))] += 4.0
        return outside

    @property
    def chooses(self) -> bool:
        """Return whether any row is preferred; else the rows come in the order of the mix."""
        return self.low > 0 or self.high < 1 or not self.unjudged or self.solved is not None

    def open(self, stage: Any) -> DifficultyBandState:
        """Return what plans the steps of a stage."""
        return DifficultyBandState(self, stage.history)


class DifficultyBandState(Live):
    """Nothing of its own to remember: the stage's history is what it goes by."""

    def __init__(self, config: DifficultyBand, history: History) -> None:
        self._config = config
        self._history = history
        self._drawn: dict[str, float] = {}

    def plan(self, step: int) -> StepPlan:
        """Return a draw by the band, or the plain step where the band leaves nothing out."""
        if not self._config.chooses:
            return StepPlan()
        return StepPlan(draw=Draw(distance=self._config.distance))

    def observe(self, feedback: StepFeedback) -> None:
        """Count what became of the groups of the step."""
        rates = [
            sum(row.outcome is Outcome.CORRECT for row in group) / len(group)
            for group in feedback.judged
        ]
        inside = self._config.inside(np.array(rates))
        self._drawn = {"inside": float(inside.mean())} if rates else {}

    def metrics(self) -> dict[str, float]:
        """Return the share of the step's groups that fell inside, and of all rows known.

        ``excluded`` counts those that are not drawn again.
        """
        if not self._config.chooses:
            return {}
        config, column = self._config, self._history.column
        found = dict(self._drawn)
        judged = np.maximum(column("judged"), 1)
        if len(judged):
            found["known_inside"] = float(np.mean(config.inside(column("correct") / judged)))
        if config.solved is not None:
            last = column("last_correct") / np.maximum(column("last_judged"), 1)
            found["excluded"] = float(np.sum(config.excluded(last, column("visits"))))
        return found
