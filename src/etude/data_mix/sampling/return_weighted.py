"""Rows by what they returned (Trajectory Weighting, ICLR 2023, OpenReview OhUAblg27z).

    p_i ∝ exp(g_i / temperature),   g = (R − min R) / (max R − min R)

with R the column's value, or with a ``baseline`` (the paper's advantage weighting) what it is above
the mean of the row's prompt, or above a least-squares fit to columns of features. Rows are drawn
with replacement. The paper draws transitions, so that a trajectory counts by its length, too:
``length_column``; a response is one row here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from etude.component import Need, Rule, component, option
from etude.data_mix.numbers import numbers
from etude.data_mix.sampling.kind import RowSampling, Weighed
from etude.errors import DataError
from etude.primitives.trajectories import group_baseline, linear_baseline, return_probabilities


@component(
    source="OpenReview OhUAblg27z",
    requires=(
        Need("column:{column}", why="by which rows are drawn"),
        Need("column:{length_column}", when="length_column != null", why="to weigh rows by it"),
    ),
)
@dataclass(frozen=True)
class ReturnWeighted(RowSampling):
    """Rows that returned more are drawn more often, with replacement."""

    example: ClassVar[str] = (
        "recipe=expert_iteration stages.sample.objective.keep=all"
        " sources.generated.columns.reward=reward"
        " stages.improve.data_mix.sampling=return_weighted"
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "baseline != 'linear' or features != []",
            "is empty, and a linear baseline is fitted to columns: name some, or "
            "{path}.baseline=prompt",
            key="features",
        ),
    )

    column: str = option("reward", "the column with what a row returned", form="filled")
    temperature: float = option(0.1, "the lower, the more the best rows are favoured", gt=0, le=1e6)
    baseline: str = option(
        "none",
        "what is taken off first: none | prompt (the mean of the prompt's rows) | linear (a fit "
        "to the columns in features)",
        choices=("none", "prompt", "linear"),
    )
    features: list[str] = option([], "columns of numbers that a linear baseline is fitted to")
    clip: float = option(
        0.0,
        "share of the rows at either end whose returns count as the one at that end",
        ge=0,
        lt=0.5,
    )
    length_column: str | None = option(
        None, "a column of numbers that rows are drawn in proportion to, too; null: none"
    )

    def columns(self) -> tuple[str, ...]:
        """Return the columns it reads."""
        prompt = ("prompt",) if self.baseline == "prompt" else ()
        features = tuple(self.features) if self.baseline == "linear" else ()
        length = () if self.length_column is None else (self.length_column,)
        return tuple(dict.fromkeys((self.column, *prompt, *features, *length)))

    def weigh(self, rows: Mapping[str, Sequence[Any]]) -> Weighed:
        """Return how likely each row is to be drawn; raises DataError for what is no number."""
        returns = numbers(rows[self.column], self.column)
        above = returns - self.expected(rows)
        if self.clip:
            above = np.clip(above, *np.quantile(above, [self.clip, 1 - self.clip]))
        lengths = None
        if self.length_column is not None:
            lengths = numbers(rows[self.length_column], self.length_column)
            if lengths.min() < 0 or not lengths.sum():
                raise DataError(f"the column '{self.length_column}' has lengths below 0, or only 0")
        probabilities = return_probabilities(above, self.temperature, lengths)
        top = np.sort(probabilities)[::-1][: max(len(probabilities) // 10, 1)]
        findings = {
            "effective_rows": float(1 / (probabilities**2).sum()),
            "mean_return": float(returns.mean()),
            "drawn_return": float(probabilities @ returns),
            "top_tenth": float(top.sum()),
        }
        return Weighed(probabilities, findings)

    def expected(self, rows: Mapping[str, Sequence[Any]]) -> NDArray[np.float64]:
        """Return what each row was expected to return, ``[rows]``; 0 without a baseline."""
        returns = numbers(rows[self.column], self.column)
        if self.baseline == "prompt":
            return group_baseline(returns, rows["prompt"])
        if self.baseline == "linear":
            known = np.column_stack([numbers(rows[name], name) for name in self.features])
            return linear_baseline(returns, known)
        return np.zeros_like(returns)
