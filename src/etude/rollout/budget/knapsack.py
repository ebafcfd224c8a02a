"""Knapsack RL (arXiv 2509.25849): a fixed number of answers, shared out where they teach most.

    P(N, p) = 1 − p^N − (1 − p)^N      I(p) = p (1 − p)²      maximise Σ P(N_i, p_i) · I(p_i)

P is the chance that a group of N answers to a prompt of pass rate p has both right and wrong ones,
and I is about what the pass rate gains by one step. All the answers that are planned, Σ N_i, are
shared out, with ``low`` ≤ N_i ≤ ``up``. In this order:

1. A prompt that was never judged gets what is planned for it. One with p = 0 gets ``unsolved``
   answers, one with p = 1 ``solved``, any other ``low``; the rest is to be shared out.
2. Where no prompt has 0 < p < 1 the rest goes evenly to those with p = 0; without any of these
   all get what is planned.
3. A useful prompt needs about ln(1 − α) / ln(max(p, 1 − p)) answers to show both outcomes with
   chance α (``probability``), or 1 / (p (1 − p)) − 1 (``expectation``). With ``fallback`` only as
   many as all of them need are shared out among them, and what is left goes evenly to the prompts
   with p = 0, or else p = 1.
4. The solver shares out among the useful prompts; what it cannot place goes evenly to them.

The gain of one more answer falls with N, so that taking the largest gain each time is exact
(``greedy``). ``reference_dp`` is the rule of a public implementation, which counts a prompt that
gets nothing beyond ``low`` as worth nothing. The value of a solution, and not the way to it, is the
paper's; it was read in summaries and in three implementations by others.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from etude.component import Rule, component, option
from etude.rollout.budget.kind import Asked, Budget, BudgetState


@component(source="arXiv 2509.25849", provides=["groups:unequal"])
@dataclass(frozen=True)
class Knapsack(Budget):
    """Shares out a step's answers among its prompts by what each is likely to teach."""

    example: ClassVar[str] = "rollout/budget=knapsack"
    words: ClassVar[str] = "knapsack ({low} to {up} answers)"
    rules: ClassVar[tuple[Rule, ...]] = (Rule("low <= up", "is {low}, above {path}.up={up}."),)

    low: int = option(2, "fewest answers to a prompt", ge=1)
    up: int = option(128, "most answers to a prompt that is sometimes solved", ge=1)
    unsolved: int | None = option(
        None, "answers to a prompt that is never solved, before the fallback; null: low", ge=1
    )
    solved: int | None = option(None, "answers to a prompt that is always solved; null: low", ge=1)
    alpha: float = option(
        0.9, "chance of both outcomes that the estimated need of a prompt is for", gt=0, lt=1
    )
    need: str = option(
        "probability",
        "how many answers a prompt is estimated to need: probability | expectation",
        choices=("probability", "expectation"),
    )
    fallback: bool = option(
        True, "what sometimes solved prompts do not need goes to prompts never solved"
    )
    visits: str = option(
        "last",
        "which visits a pass rate is taken from: last (the paper) | all",
        choices=("last", "all"),
    )
    solver: str = option(
        "greedy",
        "greedy (exact) | reference_dp (the rule of a public implementation)",
        choices=("greedy", "reference_dp"),
    )

    def open(self, stage: Any) -> KnapsackState:
        """Return what shares out; what it goes by is in the stage's history."""
        return KnapsackState(self)

    def value(self, answers: int, rate: float) -> float:
        """Return what so many answers to a prompt of this pass rate are worth."""
        if rate in (0.0, 1.0):
            return 0.0
        seen = 1.0 - rate**answers - (1.0 - rate) ** answers
        return seen * rate * (1.0 - rate) ** 2

    def needed(self, rate: float) -> float | None:
        """Return about how many answers show both outcomes, None where one never comes."""
        return None if rate in (0.0, 1.0) else self._needed(rate)

    def _needed(self, rate: float) -> float:
        if self.need == "expectation":
            return 1.0 / (rate * (1.0 - rate)) - 1.0
        return math.log(1.0 - self.alpha) / math.log(max(rate, 1.0 - rate))

    def share_out(
        self, rates: Sequence[float | None], planned: Sequence[int], least: int = 1
    ) -> Shares:
        """Return the answers to each prompt; ``rates`` are None where nothing is known.

        They add up to those ``planned``.
        """
        low, up = max(self.low, least), max(self.up, least)
        fixed = {0.0: max(self.unsolved or low, least), 1.0: max(self.solved or low, least)}
        given = [
            plan if rate is None else fixed.get(rate, low)
            for rate, plan in zip(rates, planned, strict=True)
        ]
        rest = sum(planned) - sum(given)
        never = [i for i, rate in enumerate(rates) if rate == 0.0]
        useful = {i: rate for i, rate in enumerate(rates) if rate is not None and 0 < rate < 1}
        if rest < 0 or not (useful or never):
            return Shares(list(planned))
        if not useful:
            return Shares(_evenly(given, never, rest))
        spare, ratio = 0, 1.0
        others = never or [i for i, rate in enumerate(rates) if rate == 1.0]
        if self.fallback and others:
            wanted = sum(int(min(up, self._needed(rate))) for rate in useful.values())
            if wanted < rest:
                spare, ratio = rest - wanted, wanted / rest
        given = _evenly(given, others, spare) if spare else given
        solve = self._greedy if self.solver == "greedy" else self._reference_dp
        more = solve(list(useful.values()), low, up - low, rest - spare)
        for place, count in zip(useful, more, strict=True):
            given[place] += count
        return Shares(_evenly(given, list(useful), rest - spare - sum(more)), bool(spare), ratio)

    def _greedy(self, rates: Sequence[float], low: int, most: int, rest: int) -> list[int]:
        """Return the answers beyond ``low``: the next one goes where it is worth most."""

        def gain(place: int, more: int) -> tuple[float, int]:
            rate, answers = rates[place], low + more
            return self.value(answers, rate) - self.value(answers + 1, rate), place

        found = [0] * len(rates)
        gains = [gain(place, 0) for place in range(len(rates))] if most else []
        heapq.heapify(gains)
        for _ in range(min(rest, most * len(rates))):
            _, place = heapq.heappop(gains)
            found[place] += 1
            if found[place] < most:
                heapq.heappush(gains, gain(place, found[place]))
        return found

    def _reference_dp(self, rates: Sequence[float], low: int, most: int, rest: int) -> list[int]:
        """Return the answers beyond ``low`` by a table of (prompt, answers spent)."""
        best = np.zeros(rest + 1)
        taken = np.zeros((len(rates), rest + 1), dtype=np.int64)
        for place, rate in enumerate(rates):
            grown = best.copy()
            for more in range(1, min(most, rest) + 1):
                worth = best[: rest + 1 - more] + self.value(low + more, rate)
                better = worth > grown[more:]
                grown[more:][better] = worth[better]
                taken[place, more:][better] = more
            best = grown
        found, left = [0] * len(rates), rest
        for place in reversed(range(len(rates))):
            found[place] = int(taken[place, left])
            left -= found[place]
        return found


@dataclass(frozen=True)
class Shares:
    """The answers to each prompt; whether some fell back, and what share of the rest was needed."""

    sizes: list[int]
    fell_back: bool = False
    ratio: float = 1.0


def _evenly(given: Sequence[int], places: Sequence[int], count: int) -> list[int]:
    """Return the numbers with ``count`` more shared evenly among some, the first getting more."""
    found = list(given)
    each, over = divmod(count, len(places)) if places else (0, 0)
    for number, place in enumerate(places):
        found[place] += each + (number < over)
    return found


class KnapsackState(BudgetState):
    """Shares out the answers of each batch by the pass rates of earlier visits."""

    def __init__(self, config: Knapsack) -> None:
        self.config = config
        self._found: dict[str, float] = {}

    def sizes(self, asked: Asked) -> list[int]:
        """Return the answers to each prompt."""
        last = self.config.visits == "last"
        rates = [
            None if known is None else (known.last_pass_rate if last else known.pass_rate)
            for known in asked.known
        ]
        shares = self.config.share_out(rates, asked.sizes, asked.least)
        known = [(rate, at) for at, rate in enumerate(rates) if rate is not None]
        worth = [
            sum(self.config.value(sizes[at], rate) for rate, at in known)
            for sizes in (shares.sizes, asked.sizes)
        ]
        count = max(1, len(rates))
        self._found = {
            "largest": float(max(shares.sizes, default=0)),
            "useful": sum(0.0 < rate < 1.0 for rate, _ in known) / count,
            "known": len(known) / count,
            "never_solved": sum(rate == 0.0 for rate, _ in known) / count,
            "always_solved": sum(rate == 1.0 for rate, _ in known) / count,
            "fallback": float(shares.fell_back),
            "needed": shares.ratio,
            "value": worth[0],
            "value_as_planned": worth[1],
        }
        return shares.sizes

    def metrics(self) -> dict[str, float]:
        """Return the kinds of prompts of the last batch, and what its answers are worth."""
        return dict(self._found)
