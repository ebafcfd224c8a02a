"""When a candidate is better than the best so far: the arithmetic of gates.

    accepted  ⇔  score > best + delta  (strict),  score ≥ best + delta  (margin)

With ``relative`` the distance is ``delta·|best|``, so that it points the same way for a negative
best; under the mode ``min`` less is better and the distance is taken off. Without a distance
``strict`` is the rule of Uni-O4 (arXiv 2311.03351), which noise passes as easily as progress;
RL-100 (arXiv 2510.14830) asks for a relative margin of 0.05. This module imports nothing heavy.
"""

from __future__ import annotations

from dataclasses import dataclass

#: The rules, and which way is better.
RULES = ("strict", "margin")
MODES = ("max", "min")


@dataclass(frozen=True)
class GateRule:
    """How far a score must lie beyond the best so far to be accepted."""

    rule: str = "strict"
    delta: float = 0.0
    relative: bool = False
    mode: str = "max"

    def threshold(self, best: float) -> float:
        """Return what a score is compared with."""
        distance = self.delta * abs(best) if self.relative else self.delta
        return best + distance if self.mode == "max" else best - distance

    def accepts(self, score: float, best: float) -> bool:
        """Return whether a score is accepted; one that is no number is not."""
        bar = self.threshold(best)
        if score == bar:
            return self.rule == "margin"
        return score > bar if self.mode == "max" else score < bar


@dataclass
class Standing:
    """What a gate knows: the best accepted score, and how it decided so far.

    ``score`` is that of the last candidate, and ``in_a_row`` counts rejections since an acceptance.
    """

    best: float
    score: float | None = None
    accepted: int = 0
    rejected: int = 0
    in_a_row: int = 0

    def judged(self, score: float, rule: GateRule) -> bool:
        """Decide about a candidate, and return whether it is accepted."""
        self.score = score
        if rule.accepts(score, self.best):
            self.best = score
            self.accepted += 1
            self.in_a_row = 0
            return True
        self.rejected += 1
        self.in_a_row += 1
        return False
