"""Generation as a stage: sample answers, keep the good ones, hand on rows instead of a model.

Rejection sampling (``keep: correct``, expert iteration, arXiv 2504.07912) and best-of-k
(``keep: best``, RAFT, arXiv 2304.06767) are this stage followed by a supervised one that reads its
rows (``sources.<name>.from_stage``). A prompt without a correct answer contributes nothing to
rejection sampling; nothing limits how much an easy one contributes unless ``max_per_prompt`` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from etude.component import component, option
from etude.objective.generation import Generation, Harvest, demonstration, distinct, is_correct
from etude.objective.parts import Sampler
from etude.rows import Row


@component(
    source="arXiv 2304.06767", provides=["written:solution", "written:turns", "written:reward"]
)
@dataclass(frozen=True)
class Generate(Generation):
    """Samples answers, verifies them and keeps some as rows for another stage."""

    keep: str = option(
        "correct",
        "what is kept: all | correct (what the verifier accepts) | best (highest reward, ties: "
        "the first)",
        choices=("all", "correct", "best"),
    )
    max_per_prompt: int | None = option(
        None, "most rows one prompt may give; null: no limit", ge=1, le=100_000
    )

    def harvest(self, groups: Sequence[Sequence[Row]], sampler: Sampler) -> Harvest:
        """Return the kept answers: prompts in their order, and their answers in theirs."""
        accepted = [self.accepted(group) for group in groups]
        kept = [distinct(rows) if self.deduplicate else rows for rows in accepted]
        return Harvest(
            [
                demonstration(row, sampler, reward=row.reward)
                for rows in kept
                for row in rows[: self.max_per_prompt]
            ],
            accepted=sum(len(rows) for rows in accepted),
        )

    def accepted(self, group: Sequence[Row]) -> list[Row]:
        """Return the answers to one prompt that are good enough."""
        if self.keep == "correct":
            return [row for row in group if is_correct(row)]
        if self.keep == "best":
            return [max(group, key=lambda row: row.reward)] if group else []
        return list(group)
