"""Step advantages of sampled answers (arXiv 2406.14532), for advantage-weighted learning.

    A_i = Q_i − Q_{i−1}     of every step of right and wrong answers alike

Rows hold the answer, where its steps end and what each adds. A supervised stage weighs the tokens
of a step by exp(A_i/β): ``objective/token_weights=step_advantages``. Prompts without a right answer
take part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from etude.component import component
from etude.objective.generation import Harvest, distinct, record
from etude.objective.parts import Sampler
from etude.objective.step_values import StepScoring, value_metrics
from etude.rows import Row


@component(
    source="arXiv 2406.14532",
    provides=[
        "written:solution",
        "written:step_ends",
        "written:step_advantages",
        "written:reward",
    ],
)
@dataclass(frozen=True)
class StepAdvantages(StepScoring):
    """Writes sampled answers with the advantage of each of their steps."""

    def harvest(self, groups: Sequence[Sequence[Row]], sampler: Sampler) -> Harvest:
        """Return every answer, prompts in their order and their answers in theirs."""
        kept = [distinct(group) if self.deduplicate else list(group) for group in groups]
        answers = [(row, group) for rows, group in zip(kept, groups, strict=True) for row in rows]
        scored = self.score(answers, sampler)
        rows = [
            record(
                answer.row,
                solution=answer.row.text,
                step_ends=answer.ends,
                step_advantages=answer.advantages,
                reward=answer.row.reward,
            )
            for answer in scored
        ]
        spans = [value for answer in scored for value in answer.advantages]
        extremes = {
            "steps/advantage_min": min(spans, default=0.0),
            "steps/advantage_max": max(spans, default=0.0),
        }
        return Harvest(
            rows, accepted=sum(map(len, groups)), metrics={**value_metrics(scored), **extremes}
        )
