"""Oracle window (as in arXiv 1910.07224): a window over the box slides on as its tasks are solved.

It knows beforehand which way is harder, so it is a baseline for curricula that do not. The window
is ``window`` of the box wide. After every ``rate`` tasks whose mean score is above ``goal`` it
slides by ``slide`` of the box in each dimension: upwards from the least value, or, where that is
negative, downwards from the greatest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from etude.component import component, option
from etude.curriculum.phases import one_each
from etude.curriculum.teaching import Teacher, Teaching
from etude.data_mix.known import Numbers
from etude.errors import DataError


@component(source="arXiv 1910.07224")
@dataclass(frozen=True)
class OracleWindow(Teaching):
    """Asks for tasks in a window that slides towards harder ones as they are solved."""

    words: ClassVar[str] = "tasks of a window that slides on above {goal}"

    window: float = option(1 / 6, "width of the window, as a share of the box", gt=0, le=1)
    slide: list[float] = option(
        [0.05],
        "how far it slides in each dimension, as a share of the box (one number: in all); "
        "negative: downwards",
        items=1,
    )
    goal: float = option(0.7, "mean score of its tasks above which it slides")
    rate: int = option(50, "tasks after which that is looked at", ge=1)

    def teacher(self, size: int) -> WindowTeacher:
        """Return what chooses points in a box; raises DataError for another number of slides."""
        if len(self.slide) not in (1, size):
            raise DataError(
                f"curriculum.slide={self.slide}: the box has {size} dimensions; give one number, "
                "or one for each"
            )
        return WindowTeacher(self, np.array(one_each(self.slide, size)))


class WindowTeacher(Teacher):
    """Where the window stands, and the scores since it was last looked at."""

    def __init__(self, config: OracleWindow, slide: Numbers) -> None:
        self._config = config
        self._slide = slide
        self._last = 1.0 - config.window  # where the window's lower end is at most
        self.low: Numbers = np.where(slide < 0, self._last, 0.0)
        self._scores: list[float] = []

    def ask(self, count: int, random: np.random.Generator) -> Numbers:
        """Return points that are uniform in the window."""
        return self.low + self._config.window * random.random((count, len(self.low)))

    def tell(self, points: Numbers, scores: Numbers, random: np.random.Generator) -> None:
        """Slide on after each ``rate`` tasks that were solved well enough."""
        for score in scores.tolist():
            self._scores.append(score)
            if len(self._scores) == self._config.rate:
                if sum(self._scores) / len(self._scores) > self._config.goal:
                    self.low = np.clip(self.low + self._slide, 0.0, self._last)
                self._scores = []

    def state_dict(self) -> dict[str, Any]:
        """Return the window and the scores."""
        return {"low": torch.from_numpy(self.low.copy()), "scores": list(self._scores)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""
        self.low = state["low"].numpy().copy()
        self._scores = [float(score) for score in state["scores"]]
