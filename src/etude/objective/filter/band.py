"""Groups whose mean metric lies in a band, out of more prompts than are trained on (PRIME).

PRIME (arXiv 2502.01456) samples ``oversample`` times as many prompts as a step trains on, prefers
the groups with 0.2 to 0.8 right answers, both ends included, and trains on as many as the step
wants: where too few pass, others fill the step (``fill``). Without ``fill`` the step shrinks to
what passes, as in Skywork-OR1 (arXiv 2505.22312), whose band leaves out all right and all wrong
alone (``inclusive: false`` with 0 and 1). With ``refill`` sampling goes on until enough pass.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from etude.component import BEFORE_BATCH, OF_BATCH, Need, Rule, component, option
from etude.objective.parts import MetricFilter
from etude.rows import Row, StopReason


@component(
    source="arXiv 2502.01456",
    conflicts=[Need(OF_BATCH, when="metric == 'reward'", why=BEFORE_BATCH)],
)
@dataclass(frozen=True)
class Band(MetricFilter):
    """Keep the groups whose mean metric lies in a band, out of more than are trained on."""

    passed: ClassVar[str] = "had a mean in the band of"
    words: ClassVar[str] = "groups of {metric} {low} to {high} out of {oversample} times as many"
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("low <= high", "is {low}, above {path}.high={high}."),
        Rule(
            "not (fill and refill)",
            "is true, and so is {path}.refill: a step is either filled or goes on sampling; "
            "type {path}.fill=false.",
        ),
    )

    metric: str = option(
        "accuracy",
        "whose mean is looked at: a part of the verifier, or reward (the sum)",
        form="part or reward",
    )
    low: float = option(0.2, "least mean of a group that passes")
    high: float = option(0.8, "greatest mean of a group that passes")
    inclusive: bool = option(True, "a mean at an end of the band passes, too")
    truncated: bool = option(
        False, "groups with an answer that the limit cut off do not pass (PRIME's filter_truncate)"
    )
    longest: int | None = option(
        None,
        "tokens from which on an answer counts as cut off as well (PRIME: the limit less 1)",
        ge=1,
    )
    oversample: float = option(1.0, "prompts sampled for each that is trained on (PRIME: 4)", ge=1)
    fill: bool = option(
        True, "groups that do not pass fill the step where too few do; false: it shrinks"
    )
    refill: bool = option(  # type: ignore[misc]
        False, "sampling goes on until enough groups pass"
    )
    max_batches: int = option(
        10, "with refill, batches sampled for one step before the stage fails; 0: no limit", ge=0
    )

    def passes(self, mean: float) -> bool:
        """Return whether a mean lies in the band."""
        if self.inclusive:
            return self.low <= mean <= self.high
        return self.low < mean < self.high

    def keep(self, groups: Sequence[Sequence[float]]) -> list[bool]:
        """Return for each group whether its mean lies in the band; one without values does not."""
        return [bool(values) and self.passes(sum(values) / len(values)) for values in groups]

    def keep_groups(self, groups: Sequence[Sequence[Row]]) -> list[bool]:
        """Return for each group whether it passes, by its mean and by its longest answer."""
        kept = super().keep_groups(groups)
        return [keep and not self._cut(group) for keep, group in zip(kept, groups, strict=True)]

    def _cut(self, group: Sequence[Row]) -> bool:
        if not self.truncated:
            return False
        most = math.inf if self.longest is None else self.longest
        return any(row.stop_reason is StopReason.LENGTH or len(row.tokens) >= most for row in group)

    def prompts(self, wanted: int) -> int:
        """Return how many prompts are sampled at a time for so many that are trained on."""
        return math.ceil(wanted * self.oversample)

    def among(self, groups: Sequence[list[Row]], wanted: int) -> list[list[Row]]:
        """Return groups that pass, and others where these fill the step, in the order given."""
        kept = self.keep_groups(groups)
        passing = [place for place, keep in enumerate(kept) if keep]
        others = [place for place, keep in enumerate(kept) if not keep] if self.fill else []
        # Guidance may make several groups of a prompt; they count like one.
        most = max(wanted, math.ceil(len(groups) * wanted / self.prompts(wanted)))
        return [groups[place] for place in sorted([*passing, *others][:most])]
