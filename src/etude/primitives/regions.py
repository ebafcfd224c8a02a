"""A box cut into regions as tasks come in, each cut where learning progress differs most (RIAC)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from etude.primitives.learning_progress import between_halves

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Splitting:
    """When and how a region is cut in two.

    A region that holds more than ``most`` tasks is cut at the best of ``attempts`` random places,
    none of which leaves fewer than ``least`` tasks or less than ``width`` of the box's range on a
    side. Where there is no such place, its oldest ``discard`` of tasks are forgotten. Progress is
    over the last ``window`` tasks. A cut is scored by the difference of progress, times the numbers
    of tasks where these ``count``.
    """

    most: int = 200
    least: int = 10
    window: int = 200
    attempts: int = 50
    width: float = 1 / 15
    discard: float = 0.25
    count: bool = True

    def score(self, left: Array, right: Array) -> float:
        """Return how good a cut is that has these rewards on its sides, in order of time."""
        apart = abs(between_halves(left, self.window) - between_halves(right, self.window))
        return (len(left) * len(right) if self.count else 4) * apart


@dataclass
class Region:
    """A box with its tasks ``[N, D]`` and their rewards, the oldest first."""

    low: Array
    high: Array
    tasks: Array
    rewards: Array
    children: list[int] = field(default_factory=list)

    @property
    def leaf(self) -> bool:
        """Return whether the region was not cut."""
        return not self.children

    def has(self, task: Array) -> bool:
        """Return whether a task lies in the box, borders included."""
        return bool(((task >= self.low) & (task <= self.high)).all())

    def add(self, task: Array, reward: float, most: int) -> None:
        """Take in a task; of more than ``most`` the oldest are forgotten."""
        self.tasks = np.vstack([self.tasks, task])[-most:]
        self.rewards = np.append(self.rewards, reward)[-most:]


class Regions:
    """The tree of regions of the unit box in ``size`` dimensions, its root first."""

    def __init__(self, size: int, splitting: Splitting) -> None:
        self._how = splitting
        empty = np.empty((0, size))
        self.regions = [Region(np.zeros(size), np.ones(size), empty, np.empty(0))]

    def progress(self) -> Array:
        """Return the learning progress of every region."""
        window = self._how.window
        return np.array([between_halves(region.rewards, window) for region in self.regions])

    def leaves(self) -> NDArray[np.bool_]:
        """Return which regions are not cut."""
        return np.array([region.leaf for region in self.regions])

    def add(self, task: Array, reward: float, random: np.random.Generator) -> None:
        """Take a task into every region it lies in, and cut the one that is full."""
        at = 0
        while True:
            region = self.regions[at]
            region.add(task, reward, self._how.most + 1)
            if region.leaf:
                break
            at = next(child for child in region.children if self.regions[child].has(task))
        if len(region.rewards) > self._how.most:
            self._cut(region, random)

    def _cut(self, region: Region, random: np.random.Generator) -> None:
        best: tuple[float, int, float] | None = None
        for _ in range(self._how.attempts):
            dimension = int(random.integers(len(region.low)))
            at = float(random.uniform(region.low[dimension], region.high[dimension]))
            left = region.tasks[:, dimension] <= at
            narrow = min(at - region.low[dimension], region.high[dimension] - at)
            few = min(left.sum(), (~left).sum())
            if few < self._how.least or narrow < self._how.width:
                continue
            score = self._how.score(region.rewards[left], region.rewards[~left])
            if best is None or score > best[0]:
                best = (score, dimension, at)
        if best is None:
            kept = int(len(region.rewards) * self._how.discard)
            region.tasks, region.rewards = region.tasks[kept:], region.rewards[kept:]
            return
        _, dimension, at = best
        left = region.tasks[:, dimension] <= at
        high, low = region.high.copy(), region.low.copy()
        high[dimension], low[dimension] = at, at
        region.children = [len(self.regions), len(self.regions) + 1]
        sides = ((region.low, high, left), (low, region.high, ~left))
        self.regions += [
            Region(a.copy(), b.copy(), region.tasks[side], region.rewards[side])
            for a, b, side in sides
        ]

    def state_dict(self) -> dict[str, Any]:
        """Return every region."""
        return {
            "regions": [
                {
                    "box": torch.from_numpy(np.stack([region.low, region.high])),
                    "tasks": torch.from_numpy(region.tasks.copy()),
                    "rewards": torch.from_numpy(region.rewards.copy()),
                    "children": list(region.children),
                }
                for region in self.regions
            ]
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""
        self.regions = []
        for saved in state["regions"]:
            low, high = saved["box"].numpy().copy()
            tasks, rewards = saved["tasks"].numpy().copy(), saved["rewards"].numpy().copy()
            children = [int(child) for child in saved["children"]]
            self.regions.append(Region(low, high, tasks, rewards, children))
