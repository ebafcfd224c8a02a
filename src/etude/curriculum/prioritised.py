"""Prioritised sampling: prompts come the more often, the more there is to learn from them.

With p the share of right answers to a prompt, its weight is (laws reconstructed)

    one_minus_p    1 − p
    variance       p (1 − p)
    std            √(p (1 − p))
    target         exp(−|p − target| / width)

and it is drawn with probability (1 − uniform) · w / Σw + uniform / N among the N rows of its part.
p is the mean of a Beta posterior that forgets (``primitives/beta_tracker.py``); a prompt that was
never judged has the prior's. ``thompson`` draws p from each posterior instead and takes the prompts
whose p comes nearest to the target: what is little known is tried, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from etude.component import component, option
from etude.curriculum.interface import Curriculum, StepPlan
from etude.data_mix.draw import Draw
from etude.data_mix.history import History, visited
from etude.data_mix.known import Known, Numbers
from etude.data_mix.ranking import smallest
from etude.feedback import StepFeedback
from etude.live import Live
from etude.primitives.beta_tracker import BetaTracker

_LAWS: Mapping[str, Callable[[Numbers, float, float], Numbers]] = {
    "one_minus_p": lambda p, target, width: 1.0 - p,
    "variance": lambda p, target, width: p * (1.0 - p),
    "std": lambda p, target, width: np.sqrt(p * (1.0 - p)),
    "target": lambda p, target, width: np.exp(-np.abs(p - target) / width),
}

_THOMPSON = "thompson"

#: Rows that Thompson sampling puts in an order of which some are uniform; none draws more at once.
_ORDERED = 4096


@component()
@dataclass(frozen=True)
class Prioritised(Curriculum):
    """Draws prompts in proportion to a law of their share of right answers."""

    words: ClassVar[str] = "prompts by {law}, {uniform} of them uniform"

    law: str = option(
        "variance",
        "weight of a prompt: one_minus_p | variance | std | target | thompson (nearest to target "
        "by a drawn share)",
        choices=(*_LAWS, _THOMPSON),
    )
    target: float = option(0.5, "share of right answers that target and thompson want", ge=0, le=1)
    width: float = option(1.0, "how far from the target a prompt weighs 1/e of one at it", gt=0)
    uniform: float = option(
        0.1, "share of prompts drawn without regard to the law; at 1 nothing is changed", ge=0, le=1
    )
    decay: float = option(0.9, "what a visit leaves of what was known before", ge=0, le=1)
    prior_right: float = option(1.0, "right answers that the prior counts for", gt=0)
    prior_wrong: float = option(1.0, "wrong answers that the prior counts for", gt=0)

    def tracker(self) -> BetaTracker:
        """Return what follows the share of right answers of every row."""
        return BetaTracker(self.decay, self.prior_right, self.prior_wrong)

    def chances(self, rates: Numbers) -> Numbers:
        """Return the probability of each of some rows to be drawn, by their shares."""
        weights = _LAWS[self.law](rates, self.target, self.width)
        total = weights.sum()
        even = 1.0 / len(weights)
        if total <= 0:
            return np.full(len(weights), even)
        mixed: Numbers = (1.0 - self.uniform) * weights / total + self.uniform * even
        return mixed

    def order(self, rates: Numbers, random: np.random.Generator) -> Numbers:
        """Return how late each row comes, by drawn shares; each place is uniform by chance."""
        away = np.abs(rates - self.target)
        count = min(_ORDERED, len(rates))
        wanted = iter(smallest([away], count).tolist())
        others = iter(random.permutation(len(rates))[: 2 * count].tolist())
        late: Numbers = count + away
        for place, uniform in enumerate(random.random(count) < self.uniform):
            row = next(row for row in (others if uniform else wanted) if late[row] >= count)
            late[row] = place
        return late

    def open(self, stage: Any) -> PrioritisedState:
        """Return what plans the steps of a stage."""
        return PrioritisedState(self, stage.history)


class PrioritisedState(Live):
    """The posterior of every row of a source; rows made on demand are not drawn by weight."""

    def __init__(self, config: Prioritised, history: History) -> None:
        self._config = config
        self._history = history
        self.tracker = config.tracker()
        right, judged = history.column("correct"), history.column("judged")
        # What an earlier stage handed on counts like one visit.
        self.tracker.visit(np.arange(len(judged)), right, judged - right)
        self._metrics: dict[str, float] = {}

    def plan(self, step: int) -> StepPlan:
        """Return a draw by the law, or the plain step where all is uniform."""
        if self._config.uniform == 1.0:
            return StepPlan()
        if self._config.law == _THOMPSON:
            return StepPlan(draw=Draw(distance=self._sampled))
        return StepPlan(draw=Draw(row_weights=self._weights))

    def _weights(self, known: Known) -> Numbers:
        right, wrong = self.tracker.prior
        rates = known.of_places(self.tracker.mean(), right / (right + wrong))
        return self._config.chances(rates)

    def _sampled(self, known: Known) -> Numbers:
        right, wrong = self.tracker.prior
        alpha = known.of_places(self.tracker.alpha, right)
        beta = known.of_places(self.tracker.beta, wrong)
        return self._config.order(known.random.beta(alpha, beta), known.random)

    def observe(self, feedback: StepFeedback) -> None:
        """Move the posteriors of the rows that were visited."""
        places = self._history.places
        seen = [(places[row], *n) for row, n in visited(feedback.rows).items() if row in places]
        at, right, judged = np.array(seen, dtype=np.int64).reshape(-1, 3).T
        if not len(at):
            return
        before = self._of(at)
        self.tracker.visit(at, right, judged - right)
        self._metrics = {
            "expected": float(before.mean()),
            "found": float((right / judged).mean()),
            "surprise": float(np.abs(right / judged - before).mean()),
        }

    def _of(self, places: NDArray[np.int64]) -> Numbers:
        """Return the expected share of right answers at some places."""
        right, wrong = self.tracker.prior
        means = self.tracker.mean()
        rates = np.full(len(places), right / (right + wrong))
        known = places < len(means)
        rates[known] = means[places[known]]
        return rates

    def metrics(self) -> dict[str, float]:
        """Return the mean share of right answers of the step's prompts, expected and found."""
        return self._metrics

    def state_dict(self) -> dict[str, Any]:
        """Return the posteriors, by the rows' places in the history."""
        return self.tracker.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""
        self.tracker.load_state_dict(state)
