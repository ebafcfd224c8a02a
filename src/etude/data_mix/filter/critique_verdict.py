"""Critiques whose verdict is right (critique fine-tuning, arXiv 2506.03295 and 2501.17703)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from etude.component import Need, component, option
from etude.data_mix.filter.kind import Filtered, RowFilter, share, truth


@component(
    source="arXiv 2506.03295",
    requires=(
        Need("column:critique", why="whose verdict is read"),
        Need("column:solution_correct", why="to compare the verdict with"),
    ),
)
@dataclass(frozen=True)
class CritiqueVerdict(RowFilter):
    """Keeps a critique whose final verdict agrees with whether the solution is right.

    The last verdict counts; a critique without one is dropped. The log says what share of rows was
    kept, and how many of the kept solutions are right: a mix of both is what the method rests on.
    """

    example: ClassVar[str] = "recipe=sft objective=cft data_mix=arithmetic_critiques"

    pattern: str = option(
        r"conclusion\s*:\W*(right|wrong)\b",
        "regex whose first group is right or wrong; its last match, in any case, is the verdict",
        form="regex with group",
    )

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(self.pattern, re.IGNORECASE)

    def columns(self) -> tuple[str, ...]:
        """Return the columns the filter reads."""
        return "critique", "solution_correct"

    def verdict(self, critique: str) -> bool | None:
        """Return whether a critique calls the solution right, None when it does not say."""
        found = self._pattern.findall(critique)
        return found[-1].casefold() == "right" if found else None

    def choose(self, rows: Mapping[str, Sequence[Any]]) -> Filtered:
        """Return which critiques agree with the check of the solution they judge."""
        right = np.array([truth(value) for value in rows["solution_correct"]], dtype=bool)
        verdicts = [self.verdict(str(text or "")) for text in rows["critique"]]
        kept = np.array([v == r for v, r in zip(verdicts, right, strict=True)], dtype=bool)
        findings = {
            "kept": share(kept),
            "no_verdict": share(np.array([verdict is None for verdict in verdicts])),
            "right_solutions": share(right[kept]),
        }
        return Filtered(kept, findings)
