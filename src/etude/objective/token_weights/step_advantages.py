"""Weights of steps by what they add (advantage-weighted learning, arXiv 2406.14532).

    w = min(exp(A_i/β), cap)      on every token of step i

Rows come from ``objective=step_advantages``. The end-of-text token belongs to the last step.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, ClassVar

from etude.component import Need, component, option
from etude.objective.token_weights.kind import Spelling, TokenWeights


def step_weights(
    steps: Sequence[int], advantages: Sequence[float], beta: float, cap: float | None
) -> list[float]:
    """Return the weight of every token, of which ``steps`` says the step it belongs to."""
    weights = [math.exp(advantage / beta) for advantage in advantages]
    return [weights[step] if cap is None else min(weights[step], cap) for step in steps]


@component(
    source="arXiv 2406.14532",
    requires=(
        Need("column:step_ends", why="to see which tokens make a step"),
        Need("column:step_advantages", why="to weigh the steps of an answer"),
    ),
)
@dataclass(frozen=True)
class StepAdvantages(TokenWeights):
    """The exponential of the advantage of the step that a token belongs to."""

    words: ClassVar[str] = "exp(step advantage ÷ {beta})[, at most {cap}]"

    beta: float = option(0.1, "temperature: smaller tells good and bad steps more apart", gt=0)
    cap: float | None = option(None, "largest weight; null: none", gt=0)

    def weigh(
        self, tokens: Sequence[int], columns: Mapping[str, Any], spelling: Spelling
    ) -> list[float] | None:
        """Return the weight of every token by where in the text it begins."""
        lengths = [len(spelling.decode([token])) for token in tokens]
        starts = [0, *accumulate(lengths)][: len(tokens)]
        last = len(columns["step_advantages"]) - 1
        steps = [min(bisect_right(columns["step_ends"], start), last) for start in starts]
        return step_weights(steps, columns["step_advantages"], self.beta, self.cap)
