"""Answers that were cut off leave their group before its statistics are taken (open-instruct).

What is left of a group is trained on, right answers that were cut off being dropped like wrong
ones, and means and deviations are those of what is left. Groups with fewer than ``least`` answers
left are dropped; with ``refill`` others are sampled in their place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from etude.component import UNEQUAL_SIZES, component, option
from etude.objective.parts import GroupFilter
from etude.rows import Row, StopReason


@component(source="https://github.com/allenai/open-instruct", provides=[UNEQUAL_SIZES])
@dataclass(frozen=True)
class Finished(GroupFilter):
    """Train on the answers that ended by themselves, and compare these alone."""

    words: ClassVar[str] = "truncated answers leave their groups"
    passed: ClassVar[str] = "had enough answers left by"

    metric = "stop_reason"
    reads_rewards = False

    least: int = option(2, "answers that a group has left at least", ge=1)
    refill: bool = option(  # type: ignore[misc]
        False, "sample other prompts until there are enough groups; false: train on those left"
    )
    max_batches: int = option(
        10, "with refill, batches sampled for one step before the stage fails; 0: no limit", ge=0
    )

    def left(self, group: Sequence[Row]) -> list[Row]:
        """Return the rows of a group that ended by themselves."""
        return [row for row in group if row.stop_reason is not StopReason.LENGTH]

    def keep_groups(self, groups: Sequence[Sequence[Row]]) -> list[bool]:
        """Return for each group whether enough of its rows are left."""
        return [len(self.left(group)) >= self.least for group in groups]

    def among(self, groups: Sequence[list[Row]], wanted: int) -> list[list[Row]]:
        """Return what is left of the groups that keep enough rows."""
        return [self.left(group) for group in super().among(groups, wanted)]
