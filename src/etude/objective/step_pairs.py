"""Per-step negatives (arXiv 2406.14532): wrong answers, cut after the step that ruins them.

Answers are sampled from the model and the wrong ones kept. The *first pit* of a wrong answer is the
first of its steps whose value Q is smallest (:mod:`etude.objective.step_values`):

    rejected = ŷ_1 … ŷ_c,  c = the first pit       chosen = a right answer to the same prompt

A preference stage (``objective=dpo``) learns from these pairs. A wrong answer all of whose steps
are worth 0 says nothing about its steps and is dropped; one of a single step gives the ordinary
pair. A prompt without a right answer gives none (``objective=step_advantages`` still uses it).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from etude.component import Need, component, option
from etude.objective.generation import Harvest, distinct, is_correct, record
from etude.objective.parts import Sampler
from etude.objective.step_values import StepScoring, StepValues, value_metrics
from etude.rows import Row, StopReason


@component(
    source="arXiv 2406.14532",
    requires=[
        Need(
            "column:solution",
            when="positives == 'demonstrations'",
            why="which is the right answer of a pair",
        )
    ],
    provides=[
        "written:chosen",
        "written:chosen_open",
        "written:rejected",
        "written:rejected_open",
        "written:pit",
        "written:step_values",
    ],
)
@dataclass(frozen=True)
class StepPairs(StepScoring):
    """Writes pairs of a right answer and a wrong one that ends with the step that ruins it."""

    identity: ClassVar[tuple[str, ...]] = ("prompt", "chosen", "rejected")

    positives: str = option(
        "own",
        "where right answers come from: own (sampled) | demonstrations (the data's solution) | "
        "both",
        choices=("own", "demonstrations", "both"),
    )
    drop_uninformative: bool = option(
        True, "leave out wrong answers of several steps that are all worth 0"
    )

    def harvest(self, groups: Sequence[Sequence[Row]], sampler: Sampler) -> Harvest:
        """Return the pairs of each prompt, wrong answers in the order they were sampled."""
        positives = [self._positives(group, sampler) for group in groups]
        wrong = [[row for row in group if not is_correct(row)] for group in groups]
        if self.deduplicate:
            wrong = [distinct(rows) for rows in wrong]
        paired = [
            (row, group, right[place % len(right)])
            for rows, group, right in zip(wrong, groups, positives, strict=True)
            if right
            for place, row in enumerate(rows)
        ]
        scored = self.score([(row, group) for row, group, _ in paired], sampler)
        rows: list[dict[str, Any]] = []
        pits: list[float] = []
        for answer, (_, _, right) in zip(scored, paired, strict=True):
            if not (self.drop_uninformative and answer.uninformative):
                rows.append(self._pair(answer, right))
                pits.append((answer.pit + 1) / len(answer.values))
        total = sum(map(len, wrong))
        return Harvest(
            rows,
            accepted=len(rows),
            metrics={
                **value_metrics(scored),
                "negatives/wrong": float(total),
                "negatives/without_positive": (total - len(paired)) / max(total, 1),
                "negatives/dropped": (len(scored) - len(rows)) / max(total, 1),
                **({"negatives/pit": sum(pits) / len(pits)} if pits else {}),
            },
        )

    def _positives(self, group: Sequence[Row], sampler: Sampler) -> list[tuple[str, bool]]:
        """Return right answers to a prompt as text, and whether each was cut by the limit."""
        found: list[tuple[str, bool]] = []
        if self.positives != "demonstrations":
            found += [(r.text, is_cut(r)) for r in distinct([r for r in group if is_correct(r)])]
        shown = sampler.text(group[0].example) if group and self.positives != "own" else None
        return found if shown is None else [*found, (shown, False)]

    def _pair(self, answer: StepValues, positive: tuple[str, bool]) -> dict[str, Any]:
        text, cut = positive
        whole = answer.pit == len(answer.values) - 1
        return record(
            answer.row,
            chosen=text,
            chosen_open=cut,
            rejected=answer.row.text[: answer.ends[answer.pit]],
            rejected_open=not whole or is_cut(answer.row),
            pit=answer.pit + 1,
            step_values=answer.values,
        )


def is_cut(row: Row) -> bool:
    """Return whether the limit ended an answer, so that no end-of-text token follows it."""
    return row.stop_reason is StopReason.LENGTH
