"""A teacher that draws tasks from a Gaussian mixture, fitted anew every so many tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from etude.curriculum.teaching import Teacher
from etude.data_mix.known import Numbers
from etude.primitives.gaussian_mixture import (
    GaussianMixture,
    aic,
    bic,
    correction,
    fit,
    free_parameters,
)
from etude.primitives.learning_progress import Progress

#: A criterion by which the number of components is chosen: (log-likelihood, mixture, points).
Criterion = Callable[[float, int, int], float]


def reference_parameters(components: int, size: int) -> int:
    """Return the parameters that teachDeepRL counts for AICc: those of the task alone.

    Its mixtures have ``size`` = task and more dimensions.
    """
    task = size - 1
    return components * ((task * task - task) // 2 + 2 * task + 1) - 1


@dataclass(frozen=True)
class Fitting:
    """When and how mixtures are fitted.

    Every ``rate`` tasks the last ``rate`` are fitted by each number of ``components``; the one with
    the smallest ``criterion`` is kept. ``reference_count`` has AICc count as teachDeepRL does.
    """

    rate: int
    components: Sequence[int]
    criterion: str
    reference_count: bool

    def score(self, log_likelihood: float, components: int, size: int, points: int) -> float:
        """Return the criterion of a mixture in ``size`` dimensions, the smaller the better."""
        own = free_parameters(components, size)
        if self.criterion == "bic":
            return bic(log_likelihood, own, points)
        score = aic(log_likelihood, own)
        if self.criterion == "aicc":
            counted = reference_parameters(components, size) if self.reference_count else own
            score += correction(counted, points)
        return score

    def best(self, rows: Numbers, random: np.random.Generator) -> GaussianMixture:
        """Return the mixture of rows ``[N, D]`` with the smallest criterion."""
        fitted = [fit(rows, count, random) for count in self.components if count <= len(rows)]
        scores = [
            self.score(each.log_likelihood(rows), len(each.weights), rows.shape[1], len(rows))
            for each in fitted
        ]
        return fitted[int(np.argmin(scores))]


class MixtureTeacher(Teacher):
    """Tasks so far and the mixture fitted last.

    ``rows_of(tasks, scores, progress)`` are what a mixture is fitted to: the tasks, ``[N, D]``,
    with more numbers after them. ``chances`` are those of its components.
    """

    def __init__(
        self,
        size: int,
        fitting: Fitting,
        *,
        rows_of: Callable[[Numbers, Numbers, Numbers], Numbers],
        chances: Callable[[GaussianMixture], Numbers],
        uniform: float,
        most: int | None,
    ) -> None:
        self._size = size
        self._fitting = fitting
        self._rows_of = rows_of
        self._chances = chances
        self._uniform = uniform
        self.known = Progress(size, most)
        self.heard = 0
        self.mixture: GaussianMixture | None = None

    def ask(self, count: int, random: np.random.Generator) -> Numbers:
        """Return points of the mixture, some of them uniform; all are until there is a mixture."""
        points = random.random((count, self._size))
        if self.mixture is None:
            return points
        chances = self._chances(self.mixture)
        for row in np.flatnonzero(random.random(count) >= self._uniform):
            component = int(random.choice(len(chances), p=chances))
            points[row] = self.mixture.draw(component, random)[: self._size]
        return np.clip(points, 0.0, 1.0)

    def tell(self, points: Numbers, scores: Numbers, random: np.random.Generator) -> None:
        """Take tasks in, and fit a mixture whenever there are as many new ones as it is made of."""
        for point, score in zip(points, scores, strict=True):
            self.known.add(point, float(score))
            self.heard += 1
            if self.heard % self._fitting.rate == 0:
                rows = self._rows_of(*self.known.last(self._fitting.rate))
                self.mixture = self._fitting.best(rows, random)

    def metrics(self) -> dict[str, float]:
        """Return the mean learning progress of the last tasks, and the number of components."""
        if not len(self.known):
            return {}
        progress = self.known.last(self._fitting.rate)[2]
        found = {"tasks": float(self.heard), "progress": float(progress.mean())}
        if self.mixture is not None:
            found["components"] = float(len(self.mixture.weights))
        return found

    def state_dict(self) -> dict[str, Any]:
        """Return the tasks and the mixture."""
        mixture = None if self.mixture is None else self.mixture.state_dict()
        return {"known": self.known.state_dict(), "heard": self.heard, "mixture": mixture}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""
        self.known.load_state_dict(state["known"])
        self.heard = int(state["heard"])
        mixture = state["mixture"]
        self.mixture = None if mixture is None else GaussianMixture.of(mixture)
