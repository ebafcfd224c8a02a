"""Groups that are decided stop early: answers are asked for round by round until a group has both.

    round 1:   start answers to every prompt
    then:      more answers to a prompt with fewer than ``enough`` right or ``enough`` wrong ones,
               until it has ``most``; all alike after ``give_up`` answers, it stops too

What an advantage compares are right and wrong answers to one prompt; once a group has both, more of
them cost more than they tell, and a group that stays alike tells nothing. An answer that the
verifier failed on is neither. With ``start`` and ``most`` null every prompt gets what is planned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from etude.component import Need, Rule, component, option
from etude.rollout.budget.kind import Asked, Budget, BudgetState
from etude.rows import Outcome

if TYPE_CHECKING:
    from etude.feedback import RowRecord


@component(
    provides=[
        Need("groups:unequal", when="start != null or most != null"),
        Need("answers:several", when="most > 1"),
        Need("answers:several", when="start > 1"),
    ]
)
@dataclass(frozen=True)
class Adaptive(Budget):
    """Asks for answers in rounds, and for none once a prompt has right and wrong ones."""

    at_most: ClassVar[str] = "most"
    example: ClassVar[str] = "rollout/budget=adaptive rollout.budget.start=4 rollout.budget.most=16"
    words: ClassVar[str] = (
        "adaptive ([{start}|as planned][, up to {most}], until {enough} right and wrong)"
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("start <= most", "is {start}, above {path}.most={most}."),
        Rule(
            "most != null or start <= stage.training.rollouts_per_prompt",
            "is {start}, above training.rollouts_per_prompt={stage.training.rollouts_per_prompt}, "
            "which is the most answers to a prompt where {path}.most is null.",
            key="start",
        ),
        Rule(
            "start != null or most >= stage.training.rollouts_per_prompt",
            "is {most}, below training.rollouts_per_prompt={stage.training.rollouts_per_prompt}, "
            "which every prompt gets at first where {path}.start is null.",
            key="most",
        ),
    )

    start: int | None = option(None, "answers to every prompt at first; null: as planned", ge=1)
    more: int = option(4, "answers more, each round", ge=1)
    most: int | None = option(None, "most answers to a prompt; null: as planned", ge=1)
    enough: int = option(1, "right answers, and wrong ones, that decide a group", ge=1)
    give_up: int | None = option(
        None, "answers after which a group that is all right or all wrong stops; null: most", ge=1
    )

    def open(self, stage: Any) -> AdaptiveState:
        """Return what decides from round to round."""
        return AdaptiveState(self)


class AdaptiveState(BudgetState):
    """Goes on with the groups that are not decided yet."""

    def __init__(self, config: Adaptive) -> None:
        self.config = config
        self._found: dict[str, float] = {}

    def sizes(self, asked: Asked) -> list[int]:
        """Return the answers to each prompt at first."""
        self._found = {}
        start = self.config.start
        return [
            size if start is None else min(start, most)
            for size, most in zip(asked.sizes, self._most(asked), strict=True)
        ]

    def more(self, asked: Asked, rows: Sequence[Sequence[RowRecord]]) -> list[int]:
        """Return how many answers more the groups get that are not decided."""
        more = self.config.more
        wanted = [
            0 if self._decided(group) else max(0, min(more, most - size))
            for group, size, most in zip(rows, asked.counts, self._most(asked), strict=True)
        ]
        if not any(wanted):
            self._note(rows)
        return wanted

    def metrics(self) -> dict[str, float]:
        """Return how the groups of the last batch ended."""
        return dict(self._found)

    def _most(self, asked: Asked) -> Sequence[int]:
        most = self.config.most
        return asked.sizes if most is None else [most] * len(asked.sizes)

    def _decided(self, group: Sequence[RowRecord]) -> bool:
        right, wrong = _counts(group)
        if min(right, wrong) >= self.config.enough:
            return True
        give_up = self.config.give_up
        return give_up is not None and min(right, wrong) == 0 and right + wrong >= give_up

    def _note(self, rows: Sequence[Sequence[RowRecord]]) -> None:
        counts = [_counts(group) for group in rows]
        groups = max(1, len(counts))
        enough = self.config.enough
        self._found = {
            "decided": sum(min(each) >= enough for each in counts) / groups,
            "all_right": sum(right > 0 == wrong for right, wrong in counts) / groups,
            "all_wrong": sum(wrong > 0 == right for right, wrong in counts) / groups,
        }


def _counts(group: Sequence[RowRecord]) -> tuple[int, int]:
    """Return how many answers of a group are right, and how many wrong."""
    judged = [row.outcome for row in group if row.outcome and not row.outcome.failed]
    right = judged.count(Outcome.CORRECT)
    return right, len(judged) - right
