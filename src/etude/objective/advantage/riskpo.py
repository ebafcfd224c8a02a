"""RiskPO (arXiv 2510.00911): the lower tail of scores weighs more, what is mastered nothing.

``bundle_size`` consecutive prompts are a bundle; paper k is the k-th answer to each and its score X
the sum of their rewards. With q⁻, q⁺ the quantiles of X at ``alpha`` and ``beta``:

    g = clip(X, q⁻, q⁺) − q⁺          ÷ (β − α + ε)      without natural_baseline: − q⁻
    h = −(q⁻ − X)₊                    ÷ (α + ε)
    A = (ω·h + g) / (ω + 1)           ÷ (sample std of the bundle's X + ε)

``tail: upper`` takes (X − q⁺)₊ ÷ (1 − β + ε) for h (risk seeking) and ``none`` is g alone.
``credit`` is what each answer gets of A: ``uniform`` A; ``score`` A/2 if its reward is above 0,
else 3A/2; ``std`` A/(std of its question + ε); ``sum_mean`` a share in proportion to R_j − mean_j,
which can turn the sign, equal shares where these add up to 0.

The quantiles are followed over steps (``primitives/quantiles.py``), updated after the advantages,
and saved in checkpoints; before the first, a bundle's own stand in. The released code forgets them
after every step (``forget_quantiles``). A std up to 1e-3 counts as 1, where the released code
divides the bundle by ε alone. An answer beyond the smallest group of its bundle has A = 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from etude.component import FIXED_SIZE, SCALE_FREE, Need, Rule, component, option
from etude.objective.advantage.metrics import group_metrics
from etude.objective.batch import RolloutBatch
from etude.objective.loss import Estimate, spread
from etude.objective.parts import SEVERAL, Advantage
from etude.primitives.bundles import CREDITS, NO_SPREAD, Bundle, bundles_of
from etude.primitives.groups import group_statistics
from etude.primitives.quantiles import QuantileTracker, empirical_quantile
from etude.primitives.risk import lower_tail, mean_between, middle, upper_tail


@component(
    source="arXiv 2510.00911",
    requires=[SEVERAL, Need(FIXED_SIZE, why="because a paper has one answer to each prompt")],
    provides=[Need(SCALE_FREE, when="divide_by_std == true")],
)
@dataclass(frozen=True)
class RiskPO(Advantage):
    """The mixed value at risk of the scores of bundles of prompts."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "alpha < beta",
            "is {alpha}, not below {path}.beta={beta}: the lower quantile lies below the upper.",
        ),
    )

    bundle_size: int = option(5, "consecutive prompts in a bundle", ge=1)
    alpha: float = option(0.2, "level of the lower quantile", ge=0, lt=1)
    beta: float = option(0.9, "level of the upper quantile", gt=0, le=1)
    tail: str = option(
        "lower",
        "tail beside the middle: lower (risk averse) | upper (risk seeking) | none",
        choices=("lower", "upper", "none"),
    )
    tail_weight: float = option(1.5, "weight ω of the tail beside the middle", ge=0)
    natural_baseline: bool = option(
        True, "shift the middle so that it is 0 above the upper quantile"
    )
    mean_baseline: bool = option(False, "subtract the parts' means over the tracked quantiles")
    divide_by_std: bool = option(True, "divide by the standard deviation of the bundle's scores")
    credit: str = option(
        "std",
        "what an answer gets of its paper: uniform | score | std | sum_mean",
        choices=tuple(CREDITS),
    )
    quantiles: str = option(
        "track",
        "track (followed over steps) | batch (the bundle's own) | mix (their mean)",
        choices=("track", "batch", "mix"),
    )
    tracking_rate: float = option(0.1, "how fast the tracked quantiles move", ge=0)
    forget_quantiles: bool = option(
        False, "never use tracked quantiles, as the released code does in effect"
    )
    epsilon: float = option(1e-6, "added to what is divided by", ge=0)

    def make_state(self) -> QuantileTracker:
        """Return a tracker without quantiles."""
        return QuantileTracker()

    def estimate(self, batch: RolloutBatch, state: QuantileTracker) -> Estimate:
        """Return the advantages of every token, then move the tracked quantiles."""
        rewards = batch.rewards.double()
        questions = group_statistics(rewards, batch.groups)
        advantages = torch.zeros_like(rewards)
        used: list[tuple[float, float]] = []
        bundles = self.bundles(batch)
        for bundle in bundles:
            low, high = self._quantiles(bundle.scores, state)
            paper = self._papers(bundle.scores, low, high, state)
            advantages[bundle.rows] = CREDITS[self.credit](
                paper, bundle.rows, rewards, questions, self.epsilon
            )
            used.append((low, high))
        scores = torch.cat([bundle.scores for bundle in bundles])
        cvar = mean_between(scores, 0.0, self.alpha)
        rvar = mean_between(scores, self.alpha, self.beta)
        in_papers = sum(bundle.rows.numel() for bundle in bundles)
        metrics = group_metrics(questions) | {
            "objective/riskpo_quantile_low": sum(low for low, _ in used) / len(used),
            "objective/riskpo_quantile_high": sum(high for _, high in used) / len(used),
            "objective/riskpo_score": float(scores.mean()),
            "objective/riskpo_cvar": cvar,
            "objective/riskpo_rvar": rvar,
            "objective/riskpo_mvar": (self.tail_weight * cvar + rvar) / (self.tail_weight + 1.0),
            "objective/riskpo_unused_rows": 1.0 - in_papers / rewards.numel(),
        }
        state.update(scores, self.tracking_rate)
        return Estimate(spread(advantages, batch.mask), metrics=metrics)

    def bundles(self, batch: RolloutBatch) -> list[Bundle]:
        """Return the bundles of the step with their papers."""
        return bundles_of(batch.rewards, batch.groups, self.bundle_size, batch.row_seeds)

    def _quantiles(self, scores: Tensor, state: QuantileTracker) -> tuple[float, float]:
        own = [empirical_quantile(scores, level) for level in (self.alpha, self.beta)]
        tracked = [state.at(level) for level in (self.alpha, self.beta)]
        found = []
        for mine, followed in zip(own, tracked, strict=True):
            if followed is None or self.forget_quantiles or self.quantiles == "batch":
                found.append(mine)
            else:
                found.append(followed if self.quantiles == "track" else (followed + mine) / 2)
        return min(found), max(found)  # tracked quantiles may cross for a step

    def _papers(self, scores: Tensor, low: float, high: float, state: QuantileTracker) -> Tensor:
        """Return the advantage of each paper, ``[K]``."""

        def range_part(x: Tensor) -> Tensor:
            return middle(x, low, high) - (high - low if self.natural_baseline else 0.0)

        def tail_part(x: Tensor) -> Tensor:
            return upper_tail(x, high) if self.tail == "upper" else lower_tail(x, low)

        g, h = range_part(scores), tail_part(scores)
        if self.mean_baseline:
            g = g - state.integral(range_part)
            h = h - (state.integral(tail_part) if self.tail == "lower" else 0.0)
        advantage = g / (self.beta - self.alpha + self.epsilon)
        if self.tail != "none":
            share = self.alpha if self.tail == "lower" else 1.0 - self.beta
            tail = self.tail_weight * h / (share + self.epsilon)
            advantage = (tail + advantage) / (self.tail_weight + 1.0)
        std = float(scores.std()) if scores.numel() > 1 else 1.0
        if not self.divide_by_std:
            return advantage
        return advantage / ((1.0 if std <= NO_SPREAD else std) + self.epsilon)
