"""Absolute learning progress: how much the reward of tasks that are alike has changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Earlier tasks that there must be more of before there is any progress to speak of.
FEWEST = 5


class Progress:
    """All tasks so far, ``[N, D]``, with the reward and the learning progress of each.

    The progress of a task is |its reward − that of the nearest earlier task|, of equally near ones
    the last, and 0 while there are not more than five. ``most`` is how many tasks are remembered,
    None for all.
    """

    def __init__(self, size: int, most: int | None = None) -> None:
        self._most = most
        self.tasks: Array = np.empty((0, size))
        self.rewards: Array = np.empty(0)
        self.progress: Array = np.empty(0)

    def __len__(self) -> int:
        return len(self.rewards)

    def add(self, task: Array, reward: float) -> float:
        """Return the progress of a task, and remember it."""
        found = 0.0
        if len(self) > FEWEST:
            squares = ((self.tasks - task) ** 2).sum(axis=1)
            nearest = len(squares) - 1 - int(squares[::-1].argmin())
            found = abs(reward - float(self.rewards[nearest]))
        self.tasks = np.vstack([self.tasks, task])
        self.rewards = np.append(self.rewards, reward)
        self.progress = np.append(self.progress, found)
        if self._most is not None and len(self) > self._most:
            self.tasks, self.rewards = self.tasks[1:], self.rewards[1:]
            self.progress = self.progress[1:]
        return found

    def last(self, count: int) -> tuple[Array, Array, Array]:
        """Return tasks, rewards and progress of the last ``count`` tasks."""
        return self.tasks[-count:], self.rewards[-count:], self.progress[-count:]

    def state_dict(self) -> dict[str, Any]:
        """Return the arrays as tensors."""
        arrays = {"tasks": self.tasks, "rewards": self.rewards, "progress": self.progress}
        return {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""
        for name in ("tasks", "rewards", "progress"):
            setattr(self, name, state[name].numpy().copy())


def between_halves(rewards: Array, window: int) -> float:
    """Return |mean of the first half − mean of the second| of the last ``window`` rewards.

    It is 0 while there are not more than two.
    """
    if len(rewards) <= 2:
        return 0.0
    last = rewards[-min(len(rewards), window) :]
    half = len(last) // 2
    return abs(float(last[:half].mean()) - float(last[half:].mean()))


def in_proportion(weights: Array) -> Array:
    """Return weights as chances; below 0 counts as 0, and where all are 0 they are equal."""
    clipped = np.maximum(weights, 0.0)
    total = clipped.sum()
    return clipped / total if total > 0 else np.full(len(weights), 1.0 / len(weights))
