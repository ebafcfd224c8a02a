"""BNPO (Beta normalisation, arXiv 2506.02864): a prompt is divided by the Beta density of its rate.

With s the rewards mapped to [0, 1] and p the mean of s in a group (0 for a group of one row):

    A_i = w_g · (s_i − p_g)        w_g = min(1 / f(p_g; α, β), cap)

on every response token. α and β are fitted anew in every step to the spread of p over all prompts
of the step (``primitives/beta.py``). α = β = 1 is the plain group mean as baseline, α = β = 3/2 is
GRPO up to a constant. With one prompt, or when all rates are alike, w = 1 (the released code gives
nan for the latter). So it is for a group of one row: its rate is unknown, and the cap would make
its advantage a million.

``parts`` is the paper's decomposition: each named reward part is normalised on its own and the
advantages are averaged; the combined reward, and what shaping did to it, is then not used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from etude.component import Rule, component, option
from etude.errors import ConfigError, DataError, Fault
from etude.objective.advantage.metrics import group_metrics
from etude.objective.batch import RolloutBatch
from etude.objective.loss import Estimate, spread
from etude.objective.parts import SEVERAL, Advantage
from etude.primitives.beta import BetaFit, fit_beta, inverse_beta_density
from etude.primitives.groups import GroupStatistics, group_statistics

#: How far a rate may leave [0, 1] through rounding alone.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Rates:
    """The success rates of the prompts ``[P]`` by rising group id, and the density they are from.

    ``statistics`` are those of the mapped rewards ``scores [N]``; ``index [N]`` is the number of
    each row's prompt.
    """

    scores: Tensor
    statistics: GroupStatistics
    index: Tensor
    rates: Tensor
    fit: BetaFit


@component(source="arXiv 2506.02864", requires=[SEVERAL])
@dataclass(frozen=True)
class BNPO(Advantage):
    """Reward minus the group's mean, divided by the Beta density of the group's success rate."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "max_reward > min_reward", "is {max_reward}, not above {path}.min_reward={min_reward}."
        ),
    )

    min_reward: float | None = option(
        None, "reward that counts as 0; null: 0, or the lowest of the step if that is lower"
    )
    max_reward: float | None = option(
        None, "reward that counts as 1; null: 1, or the highest of the step if that is higher"
    )
    weight_cap: float = option(1e6, "largest weight of a prompt", gt=0)
    parts: list[str] = option(
        [],
        "reward parts that are normalised each on its own and averaged, e.g. [accuracy, format]; "
        "empty: the combined reward",
        form="part",
    )

    def estimate(self, batch: RolloutBatch, state: Any) -> Estimate:
        """Return the advantages of every token; raises DataError for a rate outside [0, 1]."""
        found, metrics = [], group_metrics(group_statistics(batch.rewards, batch.groups))
        for suffix, rewards, applies in self._rewards(batch):
            known = self.rates(rewards[applies], batch.groups[applies])
            weights = inverse_beta_density(
                known.rates, known.fit.alpha, known.fit.beta, self.weight_cap
            )[known.index]
            statistics = known.statistics
            weights = torch.where(statistics.size == 1, torch.ones_like(weights), weights)
            own = torch.zeros_like(rewards, dtype=torch.float64)
            own[applies] = weights * statistics.centre(known.scores)
            found.append(own)
            metrics |= _metrics(suffix, known, weights[~statistics.flat])
        return Estimate(spread(torch.stack(found).mean(0), batch.mask), metrics=metrics)

    def rates(self, rewards: Tensor, groups: Tensor) -> Rates:
        """Return the success rates of the prompts for ``rewards [N]``, and their density."""
        rewards = rewards.double()
        low = min(0.0, float(rewards.min())) if self.min_reward is None else self.min_reward
        high = max(1.0, float(rewards.max())) if self.max_reward is None else self.max_reward
        if high <= low:
            raise ConfigError([Fault("objective.advantage.max_reward", f"must be above {low}")])
        scores = (rewards - low) / (high - low)
        statistics = group_statistics(scores, groups)
        ids, index = torch.unique(groups, return_inverse=True)
        rates = scores.new_zeros(ids.numel()).scatter(0, index, statistics.mean)
        if float(rates.min()) < -_ROUNDING or float(rates.max()) > 1 + _ROUNDING:
            raise DataError(
                f"bnpo: the mean reward of a prompt lies outside [{low}, {high}] (rewards of this "
                f"step: {float(rewards.min()):g} … {float(rewards.max()):g}); type the range that "
                "rewards can have: objective.advantage.min_reward=… objective.advantage."
                "max_reward=…"
            )
        rates = rates.clamp(0.0, 1.0)
        return Rates(scores, statistics, index, rates, fit_beta(rates))

    def _rewards(self, batch: RolloutBatch) -> list[tuple[str, Tensor, Tensor]]:
        given = ", ".join(sorted(batch.parts)) or "none"
        faults = [
            Fault(
                "objective.advantage.parts",
                f"names {name}, which the verifier does not give; it gives: {given}.",
            )
            for name in self.parts
            if name not in batch.parts
        ]
        if faults:
            raise ConfigError(faults)
        if not self.parts:
            return [("", *batch.metric("reward"))]
        every = [(f"/{name}", *batch.metric(name)) for name in self.parts]
        return [each for each in every if bool(each[2].any())] or [("", *batch.metric("reward"))]


def _metrics(suffix: str, known: Rates, weights: Tensor) -> dict[str, float]:
    """Return α, β, the moments, and the weights of the rows whose group has signal."""
    return {
        f"objective/bnpo_alpha{suffix}": known.fit.alpha,
        f"objective/bnpo_beta{suffix}": known.fit.beta,
        f"objective/bnpo_rate_mean{suffix}": known.fit.mean,
        f"objective/bnpo_rate_variance{suffix}": known.fit.variance,
        f"objective/bnpo_weight_mean{suffix}": float(weights.mean()) if weights.numel() else 0.0,
        f"objective/bnpo_weight_max{suffix}": float(weights.max()) if weights.numel() else 0.0,
    }
