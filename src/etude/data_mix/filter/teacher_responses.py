"""Which of a teacher's responses a student learns (distillation, arXiv 2505.14216)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from etude.component import Need, component, option
from etude.data_mix.filter.kind import Filtered, RowFilter, share, truth


@component(
    source="arXiv 2505.14216",
    requires=(
        Need("column:solution", why="which holds the teacher's responses"),
        Need("column:solution_correct", when="keep != 'all'", why="to know the right responses"),
    ),
)
@dataclass(frozen=True)
class TeacherResponses(RowFilter):
    """Keeps all responses of a teacher, the right ones, or a few right ones of each prompt.

    A prompt without a right response is not trained on unless all are kept, which favours easy
    prompts: the log has the share of prompts that are covered.
    """

    example: ClassVar[str] = "recipe=sft objective=distillation data_mix=arithmetic_teacher"

    keep: str = option(
        "correct_only",
        "correct_only: what the verifier accepted | all | per_prompt_max: the first "
        "max_per_prompt that it accepted",
        choices=("correct_only", "all", "per_prompt_max"),
    )
    max_per_prompt: int = option(4, "responses of one prompt under per_prompt_max", ge=1)
    deduplicate: bool = option(True, "keep only the first of identical responses to a prompt")

    def columns(self) -> tuple[str, ...]:
        """Return the columns the filter reads."""
        judged = () if self.keep == "all" else ("solution_correct",)
        return "prompt", "solution", *judged

    def choose(self, rows: Mapping[str, Sequence[Any]]) -> Filtered:
        """Return which responses are kept, in the order of the rows."""
        prompts, responses = rows["prompt"], rows["solution"]
        right = [
            self.keep == "all" or truth(rows["solution_correct"][i]) for i in range(len(prompts))
        ]
        seen: set[tuple[Any, Any]] = set()
        counts: Counter[Any] = Counter()
        kept = np.zeros(len(prompts), dtype=bool)
        for place, (prompt, response) in enumerate(zip(prompts, responses, strict=True)):
            full = self.keep == "per_prompt_max" and counts[prompt] >= self.max_per_prompt
            again = self.deduplicate and (prompt, response) in seen
            kept[place] = bool(response) and right[place] and not full and not again
            seen.add((prompt, response))
            counts[prompt] += int(kept[place])
        covered = sum(1 for prompt in set(prompts) if counts[prompt])
        findings = {"kept": share(kept), "covered_prompts": covered / len(set(prompts))}
        return Filtered(kept, findings)
