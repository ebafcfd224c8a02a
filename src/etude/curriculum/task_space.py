"""A box of tasks: what a teacher's points mean to a stage, and what it hears of their prompts.

Points are in the unit box. They are parameters that a source makes rows of, or values of columns of
the rows there are, of which the nearest is taken for each point.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from etude.data_mix.draw import Draw
from etude.data_mix.known import Numbers
from etude.errors import DataError
from etude.feedback import RowRecord, StepFeedback
from etude.randomness import seed_of
from etude.rollout.fitting import PromptLimit
from etude.rows import Outcome


@dataclass(frozen=True)
class TaskSpace:
    """A box in the numbers ``names``, from ``low`` to ``high``.

    ``part`` is that of the mix whose source makes rows of them, None where they are columns. With
    ``by_reward`` a task is scored by the mean reward of its answers, else by the share of them that
    are right.
    """

    names: tuple[str, ...]
    low: Numbers
    high: Numbers
    part: str | None
    by_reward: bool

    @property
    def size(self) -> int:
        """Return the number of dimensions."""
        return len(self.names)

    @property
    def range(self) -> Numbers:
        """Return how far each number goes, 1 where there is only one value."""
        apart = self.high - self.low
        return np.where(apart > 0, apart, 1.0)

    def values(self, points: Numbers) -> list[dict[str, float]]:
        """Return what points ``[N, D]`` of the unit box stand for."""
        inside = np.clip(self.low + points * (self.high - self.low), self.low, self.high)
        return [dict(zip(self.names, map(float, row), strict=True)) for row in inside]

    def draw(self, points: Numbers) -> Draw:
        """Return the draw that asks for prompts at points, one after another."""
        values = self.values(points)
        if self.part is not None:
            return Draw(parameters={self.part: values})
        units = dict(zip(self.names, map(float, self.range), strict=True))
        return Draw(nearest=values, units=units)

    def point(self, row: RowRecord) -> Numbers | None:
        """Return where a row lies in the unit box, None where it is no task of it."""
        given: Any = row.columns if self.part is None else row.columns.get("parameters")
        if not isinstance(given, Mapping) or any(given.get(name) is None for name in self.names):
            return None
        values = np.array([float(given[name]) for name in self.names])
        point: Numbers = (values - self.low) / self.range
        return point

    def heard(self, feedback: StepFeedback) -> tuple[Numbers, Numbers]:
        """Return the tasks of a step ``[N, D]`` and the score of each, in the order of its rows."""
        points: dict[str, Numbers] = {}
        scores: dict[str, list[float]] = {}
        for row in feedback.rows:
            point = self.point(row)
            score = self._score(row)
            if point is not None and np.isfinite(score):
                points.setdefault(row.id, point)
                scores.setdefault(row.id, []).append(score)
        means = [sum(each) / len(each) for each in scores.values()]
        return np.array([*points.values()]).reshape(-1, self.size), np.array(means)

    def _score(self, row: RowRecord) -> float:
        if row.outcome is None or row.outcome.failed:
            return float("nan")
        return row.reward if self.by_reward else float(row.outcome is Outcome.CORRECT)


def of_columns(stage: Any, names: Sequence[str], by_reward: bool) -> TaskSpace:
    """Return the box of columns, from their least to their greatest values in the rows."""
    ends = []
    for name in names:
        values = np.concatenate([*stage.stream.column(name).values(), np.empty(0)])
        known = values[~np.isnan(values)]
        if not len(known):
            raise DataError(f"curriculum.columns={list(names)}: no row has a number in '{name}'")
        ends.append((known.min(), known.max()))
    low, high = np.array(ends).T
    return TaskSpace(tuple(names), low, high, None, by_reward)


def of_parameters(
    stage: Any, part: str | None, asked: Mapping[str, Sequence[float]] | None, by_reward: bool
) -> TaskSpace:
    """Return the box of a part's parameters: those asked for, in the ranges asked for.

    Raises DataError for a part or a parameter that there is not, for ranges that are none, and
    where prompts from a corner of the box do not fit.
    """
    known = stage.stream.parametric
    chosen = part or next(iter(known), "")
    if chosen not in known:
        raise DataError(
            f"curriculum.part={part}: no rows are made on demand there; data_mix.train has "
            f"{', '.join(known) or 'no part that makes any'}"
        )
    ranges = known[chosen]
    if not asked and not ranges:
        raise DataError(
            f"curriculum.part={chosen}: the source of data_mix.train.{chosen} names no parameters"
        )
    box = {name: tuple(ends) for name, ends in (asked or ranges).items()}
    for name, ends in box.items():
        if name not in ranges:
            raise DataError(
                f"curriculum.parameters.{name}: data_mix.train.{chosen} has no parameter of this "
                f"name; it has {', '.join(ranges)}"
            )
        least, most = ranges[name]
        if len(ends) != 2 or not least <= ends[0] <= ends[1] <= most:
            raise DataError(
                f"curriculum.parameters.{name}={list(ends)}: give the least and the greatest "
                f"value, within {least:g} and {most:g}"
            )
    low, high = np.array(list(box.values()), dtype=np.float64).T
    space = TaskSpace(tuple(box), low, high, chosen, by_reward)
    for values in corners(space):
        _refuse_long(stage, chosen, values)
    return space


def corners(space: TaskSpace) -> Iterator[Mapping[str, float]]:
    """Yield the values at every corner of a box."""
    ends = zip(space.low, space.high, strict=True)
    for corner in product(*ends):
        yield dict(zip(space.names, map(float, corner), strict=True))


def _refuse_long(stage: Any, part: str, values: Mapping[str, float]) -> None:
    """Raise DataError where a prompt made of some values is longer than the stage lets it be."""
    rollout = stage.parts.rollout
    if getattr(rollout, "too_long", "refuse") == "cut":
        return
    policy = stage.model(stage.sampler)
    limit = PromptLimit(policy, rollout, rollout.max_new_tokens)
    example = stage.stream.made(part, values, seed_of("corner", stage.seed) >> 1)
    tokens = len(policy.encode_example(example))
    if limit.tokens is not None and tokens > limit.tokens:
        said = ", ".join(f"{name} {value:g}" for name, value in values.items())
        raise DataError(
            f"curriculum.parameters: a prompt of {said} has {tokens} tokens, and one may have "
            f"{limit.tokens} here; ask for less, or rollout.too_long=cut leaves out beginnings"
        )
