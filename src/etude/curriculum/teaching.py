"""What curricula that choose points in a box of tasks have in common: the box, and the step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from etude.component import Need, Rule, option
from etude.curriculum.interface import Curriculum, StepPlan
from etude.curriculum.task_space import TaskSpace, of_columns, of_parameters
from etude.data_mix.known import Numbers
from etude.feedback import StepFeedback
from etude.live import Live
from etude.randomness import generator


class Teacher(Live, ABC):
    """Chooses points in the unit box, and learns from the scores of their tasks."""

    @abstractmethod
    def ask(self, count: int, random: np.random.Generator) -> Numbers:
        """Return the points of a step, ``[count, D]``."""

    @abstractmethod
    def tell(self, points: Numbers, scores: Numbers, random: np.random.Generator) -> None:
        """Hear of tasks ``[N, D]`` in the order of time, with a score each ``[N]``."""


@dataclass(frozen=True)
class Teaching(Curriculum):
    """Asks for tasks in a box of parameters of a source, or of columns of the rows."""

    base_requires: ClassVar[tuple[Need, ...]] = (
        Need("rows:parameters", when="columns == null", why="to have tasks made"),
        Need("column:{columns}", when="columns != null", why="to choose tasks by"),
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "columns == null or (parameters == null and part == null)",
            "is {columns}: give columns of the rows, or a part and parameters of its source.",
        ),
    )

    part: str | None = option(
        None,
        "part of data_mix.train whose source makes tasks; null: the first that can",
        form="training part",
    )
    parameters: dict[str, list[float]] | None = option(
        None, "parameter of the source → [least, greatest]; null: all it has, in their whole range"
    )
    columns: list[str] | None = option(
        None, "columns by which rows that are there are chosen instead, the nearest ones", items=1
    )
    scored_by: str = option(
        "correct",
        "score of a task: correct (share of its answers that are right) | reward (their mean)",
        choices=("correct", "reward"),
    )

    @abstractmethod
    def teacher(self, size: int) -> Teacher:
        """Return what chooses points in a box of so many dimensions."""

    def open(self, stage: Any) -> TeachingState:
        """Return what plans the steps of a stage; raises DataError for a box that is none."""
        by_reward = self.scored_by == "reward"
        if self.columns is not None:
            space = of_columns(stage, self.columns, by_reward)
        else:
            space = of_parameters(stage, self.part, self.parameters, by_reward)
        prompts = stage.parts.objective.filter.prompts
        count = prompts(stage.parts.training.prompts_per_step)
        return TeachingState(space, self.teacher(space.size), count, stage.seed)


class TeachingState(Live):
    """A teacher in a stage: each step asks for as many tasks as it samples prompts."""

    def __init__(self, space: TaskSpace, teacher: Teacher, count: int, seed: int) -> None:
        self.space = space
        self.teacher = teacher
        self._count = count
        self._random: Callable[[str, int], np.random.Generator] = lambda what, step: generator(
            "teacher", what, seed, step
        )
        self._metrics: dict[str, float] = {}

    def plan(self, step: int) -> StepPlan:
        """Return a draw of the teacher's points."""
        points = self.teacher.ask(self._count, self._random("ask", step))
        asked = points.mean(axis=0, keepdims=True)
        (self._metrics,) = self.space.values(asked)
        return StepPlan(draw=self.space.draw(points))

    def observe(self, feedback: StepFeedback) -> None:
        """Tell the teacher of the step's tasks."""
        points, scores = self.space.heard(feedback)
        if len(scores):
            self.teacher.tell(points, scores, self._random("tell", feedback.step))

    def metrics(self) -> dict[str, float]:
        """Return the mean of what was asked for, by name, and the teacher's own numbers."""
        return self._metrics | self.teacher.metrics()

    def state_dict(self) -> Any:
        """Return the teacher's state."""
        return self.teacher.state_dict()

    def load_state_dict(self, state: Any) -> None:
        """Restore what :meth:`state_dict` returned."""
        self.teacher.load_state_dict(state)
