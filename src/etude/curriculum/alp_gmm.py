"""ALP-GMM (arXiv 1910.07224): tasks where the reward has lately changed most are asked for.

The learning progress of a task is |r − r′|, r′ being the reward of the nearest earlier task. Every
``fit_rate`` tasks Gaussian mixtures of [task, progress] are fitted to the last ``fit_rate``, one
for each number of components, and the one with the lowest criterion is kept. A task is uniform in
the box with probability ``uniform``; else a component is chosen in proportion to its mean progress
and the task is drawn from it, cut to the box. Tasks are scaled to the unit box.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from etude.component import Rule, component, option
from etude.curriculum.mixture_teacher import Fitting, MixtureTeacher
from etude.curriculum.teaching import Teaching
from etude.data_mix.known import Numbers
from etude.primitives.gaussian_mixture import GaussianMixture
from etude.primitives.learning_progress import in_proportion


@component(source="arXiv 1910.07224")
@dataclass(frozen=True)
class AlpGMM(Teaching):
    """Asks for tasks in proportion to learning progress, by a Gaussian mixture of it."""

    words: ClassVar[str] = "tasks by learning progress, {uniform} of them uniform"
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "max(components) <= fit_rate",
            "is {components}, above {path}.fit_rate={fit_rate}, the tasks that are fitted.",
        ),
    )

    fit_rate: int = option(250, "tasks between two fits, and in each of them", ge=2)
    uniform: float = option(0.2, "share of tasks drawn from the whole box", ge=0, le=1)
    components: list[int] = option(
        list(range(2, 11)), "numbers of components that are tried", ge=1, items=1
    )
    criterion: str = option(
        "aic", "what chooses among them: aic | bic | aicc", choices=("aic", "bic", "aicc")
    )
    reference_count: bool = option(
        False, "aicc counts parameters as the published code does, without the progress"
    )
    remembered: int | None = option(
        None, "tasks among which the nearest is looked for, the last; null: all", ge=1
    )

    @property
    def fitting(self) -> Fitting:
        """Return when and how mixtures are fitted."""
        return Fitting(self.fit_rate, self.components, self.criterion, self.reference_count)

    def rows(self, tasks: Numbers, scores: Numbers, progress: Numbers) -> Numbers:
        """Return what is fitted: tasks with their progress, ``[N, D + 1]``."""
        return np.column_stack([tasks, progress])

    def chances(self, mixture: GaussianMixture) -> Numbers:
        """Return the chance of each component: in proportion to its mean progress."""
        return in_proportion(mixture.means[:, -1])

    def teacher(self, size: int) -> MixtureTeacher:
        """Return what chooses points in a box of so many dimensions."""
        most = None if self.remembered is None else max(self.remembered, self.fit_rate)
        return MixtureTeacher(
            size,
            self.fitting,
            rows_of=self.rows,
            chances=self.chances,
            uniform=self.uniform,
            most=most,
        )
