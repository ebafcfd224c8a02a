"""A budget of two rounds: a few answers to all, and the rest where they were short."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from etude.component import component, option
from etude.rollout.budget.kind import Asked, Budget, BudgetState


@component(group="rollout/budget", name="two_looks", provides=["groups:unequal"])
@dataclass(frozen=True)
class TwoLooks(Budget):
    """Keeps some answers back for the prompt whose answers differ most in length."""

    kept: int = option(1, "answers of each prompt that are kept back at first; 0: none", ge=0)

    def open(self, stage) -> Looking:
        """Return what decides."""
        return Looking(self)


class Looking(BudgetState):
    """Remembers how many answers went where they were not planned."""

    def __init__(self, config: TwoLooks) -> None:
        self.config = config
        self.moved = 0

    def sizes(self, asked: Asked) -> list[int]:
        """Return what is planned, without what is kept back."""
        return [max(asked.least, size - self.config.kept) for size in asked.sizes]

    def more(self, asked: Asked, rows) -> Sequence[int]:
        """Return all that is left for one prompt, once."""
        spread = [max(r.length for r in g) - min(r.length for r in g) for g in rows]
        widest = spread.index(max(spread))
        self.moved += asked.left
        return [asked.left if place == widest else 0 for place in range(len(rows))]

    def metrics(self) -> dict[str, float]:
        """Return how many answers were moved so far."""
        return {"moved": self.moved}

    def state_dict(self) -> dict[str, int]:
        """Return the count."""
        return {"moved": self.moved}

    def load_state_dict(self, state) -> None:
        """Go on from a saved count."""
        self.moved = int(state["moved"])
