"""What every step of sampled answers is worth, measured by continuing after it (arXiv 2406.14532).

An answer is cut into steps; after each, M continuations are sampled and judged, and with the share
p_i that are right

    Q_i = 1 − (1 − p_i)^K,  A_i = Q_i − Q_{i−1}

where Q_0 comes from the answers to the bare prompt. An answer that has ended cannot be continued:
its last step is worth 1 if the answer is right and 0 if it is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from etude.component import option
from etude.objective.generation import Generation, is_correct
from etude.objective.parts import Sampler
from etude.primitives.steps import (
    SPLITS,
    best_of_value,
    first_pit,
    step_advantages,
    step_ends,
    success_rates,
)
from etude.rows import Row


@dataclass(frozen=True)
class StepValues:
    """The steps of one answer: where each ends in the text, and Q of each; ``start`` is Q_0."""

    row: Row
    ends: list[int]
    values: list[float]
    start: float

    @property
    def advantages(self) -> list[float]:
        """Return A of each step; they add up to the last Q minus Q_0."""
        return step_advantages(self.values, self.start)

    @property
    def pit(self) -> int:
        """Return the position (from 0) of the first step with the smallest Q."""
        return first_pit(self.values)

    @property
    def uninformative(self) -> bool:
        """Return whether no step of several is worth more than another because all are worth 0."""
        return len(self.values) > 1 and not any(self.values)


@dataclass(frozen=True)
class StepScoring(Generation):
    """Samples answers and measures what each of their steps is worth."""

    split: str = option(
        "newline",
        "what ends a step: newline | sentence (. ! or ?, then a space) | space (arithmetic)",
        choices=tuple(SPLITS),
    )
    continuations: int = option(5, "continuations sampled after each step (M)", ge=1)
    best_of: int = option(
        5, "a step is worth the chance that the best of so many continuations is right (K)", ge=1
    )

    def score(
        self, answers: Sequence[tuple[Row, Sequence[Row]]], sampler: Sampler
    ) -> list[StepValues]:
        """Return the steps of each answer with their values; all are continued in one call.

        ``answers`` are rows with the group each belongs to, whose share of right answers gives Q_0.
        """
        ends = [step_ends(row.text, self.split) for row, _ in answers]
        cuts = [(i, end) for i, (row, _) in enumerate(answers) for end in ends[i][:-1]]
        tried = (
            sampler.sample(
                [answers[i][0].example for i, _ in cuts],
                self.continuations,
                prefixes=[answers[i][0].text[:end] for i, end in cuts],
            )
            if cuts
            else []
        )
        found: list[list[Sequence[bool]]] = [[] for _ in answers]
        for (i, _), rows in zip(cuts, tried, strict=True):
            found[i].append([is_correct(one) for one in rows])
        return [
            self.valued(
                row,
                ends[i],
                [*found[i], [is_correct(row)]],
                sum(map(is_correct, group)) / len(group),
            )
            for i, (row, group) in enumerate(answers)
        ]

    def valued(
        self, row: Row, ends: list[int], successes: Sequence[Sequence[bool]], start: float
    ) -> StepValues:
        """Return an answer's steps with Q of each, from which continuations after it were right.

        ``start`` is the share of right answers to the bare prompt.
        """
        values = [best_of_value(rate, self.best_of) for rate in success_rates(successes)]
        return StepValues(row, ends, values, best_of_value(start, self.best_of))


def value_metrics(scored: Sequence[StepValues]) -> Mapping[str, float]:
    """Return the mean Q before the first step and in each third of the answers' steps."""
    if not scored:
        return {}
    thirds: dict[str, list[float]] = {"early": [], "middle": [], "late": []}
    for answer in scored:
        for place, value in enumerate(answer.values):
            thirds[list(thirds)[3 * place // len(answer.values)]].append(value)
    found = {f"steps/q_{name}": sum(q) / len(q) for name, q in thirds.items() if q}
    start = sum(answer.start for answer in scored) / len(scored)
    count = sum(len(answer.values) for answer in scored) / len(scored)
    return {"steps/q_start": start, **found, "steps/count": count}
