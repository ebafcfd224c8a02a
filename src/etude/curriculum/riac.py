"""RIAC (as in arXiv 1910.07224): the box is cut into regions, tasks come from those that change.

The learning progress of a region is |mean reward of the first half − of the second half| of its
last tasks. A region that is full is cut in two at the best of some random places; cuts are scored
by the difference of progress times the numbers of tasks on both sides (the published code leaves
the numbers out: ``count_tasks: false``). A task is drawn, with probability

    1 − uniform − near    uniformly in a region, which is chosen in proportion to progress
    uniform               uniformly in the whole box
    near                  beside the task of lowest reward of such a region, with noise of ``noise``
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from etude.component import Rule, component, option
from etude.curriculum.teaching import Teacher, Teaching
from etude.data_mix.known import Numbers
from etude.primitives.learning_progress import in_proportion
from etude.primitives.regions import Regions, Splitting


@component(source="arXiv 1910.07224")
@dataclass(frozen=True)
class Riac(Teaching):
    """Asks for tasks in proportion to the learning progress of regions of the box."""

    words: ClassVar[str] = "tasks of regions by learning progress, {uniform} of them uniform"
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("uniform + near <= 1", "is {uniform}: with {path}.near={near} it is above 1."),
    )

    region_size: int = option(200, "tasks that a region holds before it is cut", ge=4)
    fewest: int | None = option(
        None, "tasks that a cut leaves on each side; null: a twentieth of region_size", ge=1
    )
    window: int | None = option(
        None, "last tasks that the progress of a region is of; null: region_size", ge=1
    )
    attempts: int = option(50, "random places that are tried for a cut", ge=1)
    width: float = option(1 / 15, "least width of a region, as a share of the box", gt=0, lt=1)
    discard: float = option(0.25, "share of tasks forgotten where no cut fits", gt=0, le=1)
    count_tasks: bool = option(True, "the score of a cut counts the tasks on its sides")
    leaves: bool = option(False, "only regions that are not cut are chosen; false: all")
    uniform: float = option(0.2, "share of tasks drawn from the whole box", ge=0, le=1)
    near: float = option(0.1, "share of tasks beside one of low reward", ge=0, le=1)
    noise: float = option(0.1, "how far beside it, as a share of the box", ge=0)

    @property
    def splitting(self) -> Splitting:
        """Return when and how regions are cut."""
        return Splitting(
            most=self.region_size,
            least=self.region_size // 20 if self.fewest is None else self.fewest,
            window=self.region_size if self.window is None else self.window,
            attempts=self.attempts,
            width=self.width,
            discard=self.discard,
            count=self.count_tasks,
        )

    def teacher(self, size: int) -> RiacTeacher:
        """Return what chooses points in a box of so many dimensions."""
        return RiacTeacher(self, size)


class RiacTeacher(Teacher):
    """The tree of regions."""

    def __init__(self, config: Riac, size: int) -> None:
        self._config = config
        self._size = size
        self.regions = Regions(size, config.splitting)

    def chances(self) -> Numbers:
        """Return the chance of each region to be chosen."""
        progress = self.regions.progress()
        if not self._config.leaves:
            return in_proportion(progress)
        leaves = self.regions.leaves()
        chances = np.zeros(len(progress))
        chances[leaves] = in_proportion(progress[leaves])
        return chances

    def ask(self, count: int, random: np.random.Generator) -> Numbers:
        """Return points of regions, of the whole box, and beside tasks of low reward."""
        chances = self.chances()
        points = random.random((count, self._size))
        kinds = random.random(count)
        for row in np.flatnonzero(kinds >= self._config.uniform):
            region = self.regions.regions[int(random.choice(len(chances), p=chances))]
            beside = kinds[row] < self._config.uniform + self._config.near
            if beside and len(region.rewards):
                noise = self._config.noise * random.standard_normal(self._size)
                points[row] = region.tasks[region.rewards.argmin()] + noise
                points[row] = np.clip(points[row], region.low, region.high)
            else:
                points[row] = random.uniform(region.low, region.high)
        return points

    def tell(self, points: Numbers, scores: Numbers, random: np.random.Generator) -> None:
        """Take tasks in, cutting regions that are full."""
        for point, score in zip(points, scores, strict=True):
            self.regions.add(np.clip(point, 0.0, 1.0), float(score), random)

    def metrics(self) -> dict[str, float]:
        """Return the number of regions that are not cut, and the greatest progress of one."""
        leaves = self.regions.leaves()
        progress = self.regions.progress()
        return {"regions": float(leaves.sum()), "progress": float(progress[leaves].max())}

    def state_dict(self) -> dict[str, Any]:
        """Return the tree."""
        return self.regions.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""
        self.regions.load_state_dict(state)
