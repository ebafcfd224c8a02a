"""Advantages of bundles of prompts by the mixed value at risk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from golden_case import compare
from golden_objective import objective, rollout_batch

from etude.objective.advantage.riskpo import RiskPO
from etude.objective.policy_gradient import ObjectiveState
from etude.primitives.quantiles import QuantileTracker

METHOD = "riskpo"
CONFIG = {"quantile_down", "quantile_up"}
INPUTS = {"rewards", "question", "bundle", "mask"}

CREDIT = {"uniform": "uniform", "score": "score", "std": "std", "sum-mean": "sum_mean"}
TAILS = {
    (True, False): "lower",
    (False, False): "none",
    (True, True): "upper",
    (False, True): "upper",
}


@dataclass
class GivenQuantiles(QuantileTracker):
    """A tracker that stands at two given quantiles, knows two means, and does not move."""

    given: tuple[float | None, float | None] = (None, None)
    levels: tuple[float, float] = (0.0, 1.0)
    means: tuple[float, float] = (0.0, 0.0)

    def at(self, level: float) -> float | None:
        return self.given[self.levels.index(level)]

    def integral(self, of: Callable[[torch.Tensor], torch.Tensor]) -> float:
        return self.means[{"range_part": 0, "tail_part": 1}[of.__name__]]

    def update(self, scores: torch.Tensor, rate: float) -> None:
        pass


def run(case: Any) -> None:
    config, inputs = case.config, case.inputs
    groups = inputs.tensor("question").long()
    given = inputs.tensor("bundle").long()
    mixing, seeking = (
        config.take(key, False) for key in ("use_mixing_risk_measure", "risk_seeking_upper_tail")
    )
    weights = {"upper": config.take("upper_weight", 1.5), "lower": config.take("w_mix", 1.5)}
    tail = TAILS[mixing, seeking]
    advantage = RiskPO(
        bundle_size=int(torch.unique(groups[given == given[0]]).numel()),
        alpha=config.take("quantile_down"),
        beta=config.take("quantile_up"),
        tail=tail,
        tail_weight=weights.get(tail, 1.5),
        natural_baseline=config.take("natural_baseline_adv"),
        mean_baseline=config.take("use_mean_as_baseline"),
        divide_by_std=config.take("norm_adv_by_std_in_grpo"),
        credit=config.choose("credit_assign_mode", CREDIT),
        quantiles=config.choose("use_q_track_mode", {m: m for m in ("track", "batch", "mix")}),
        epsilon=config.take("epsilon", 1e-6),
    )
    tracker = GivenQuantiles(
        given=(inputs.take("q_track_down", None), inputs.take("q_track_up", None)),
        levels=(advantage.alpha, advantage.beta),
        means=(inputs.take("g_rvar_avg", 0.0), inputs.take("g_cvar_avg", 0.0)),
    )
    batch = rollout_batch(inputs.tensor("mask"), rewards=inputs.tensor("rewards"), groups=groups)
    bundles = advantage.bundles(batch)
    for number, bundle in enumerate(bundles):
        assert bool((given[bundle.rows] == given.unique()[number]).all()), "not consecutive"
    estimate = objective(advantage=advantage).estimate(
        batch, ObjectiveState({"advantage": tracker})
    )
    case.check("advantages", estimate.advantages)
    if "bundle_scores" in case.expected:
        expected = case.expected.take("bundle_scores")
        ids = given.unique().tolist()
        assert set(expected) == {str(number) for number in ids}
        for number, bundle in zip(ids, bundles, strict=True):
            where = f"{case.name}: scores of bundle {number}"
            compare(where, bundle.scores, expected[str(number)], case.rtol, case.atol)
