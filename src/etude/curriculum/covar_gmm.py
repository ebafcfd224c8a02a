"""Covar-GMM (as in arXiv 1910.07224): tasks where the reward grows with time are asked for.

As ``alp_gmm``, with mixtures of [task, time, reward], time being the place in the fitted window
from 0 to 1. A component is chosen in proportion to its covariance of time and reward, falling
rewards counting as 0, or with ``absolute`` as much as rising ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from etude.component import component, option
from etude.curriculum.alp_gmm import AlpGMM
from etude.data_mix.known import Numbers
from etude.primitives.gaussian_mixture import GaussianMixture
from etude.primitives.learning_progress import in_proportion


@component(source="arXiv 1910.07224")
@dataclass(frozen=True)
class CovarGMM(AlpGMM):
    """Asks for tasks in proportion to how the reward grows with time, by a Gaussian mixture."""

    words: ClassVar[str] = "tasks whose reward grows, {uniform} of them uniform"

    absolute: bool = option(False, "falling rewards count as much as rising ones")

    def rows(self, tasks: Numbers, scores: Numbers, progress: Numbers) -> Numbers:
        """Return what is fitted: tasks with their time and reward, ``[N, D + 2]``."""
        time = np.arange(len(tasks)) / len(tasks)
        return np.column_stack([tasks, time, scores])

    def progress(self, mixture: GaussianMixture) -> Numbers:
        """Return how the reward of each component changes with time, at least 0."""
        found = mixture.covariances[:, -2, -1]
        return np.abs(found) if self.absolute else np.maximum(found, 0.0)

    def chances(self, mixture: GaussianMixture) -> Numbers:
        """Return the chance of each component."""
        return in_proportion(self.progress(mixture))
