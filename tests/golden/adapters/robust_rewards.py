"""A nominal reward mixed with the worst of an ensemble."""

from __future__ import annotations

from typing import Any

from etude.reward_weighting.robust import Robust

METHOD = "robust_rewards"
CONFIG = {"lambda", "nominal"}
INPUTS = {"head_mean", "head_std"}


def run(case: Any) -> None:
    case.config.take("kind")
    means, stds = case.inputs.tensor("head_mean"), case.inputs.tensor("head_std")
    heads = {f"head{k}": column for k, column in enumerate(means.unbind(-1))}
    spreads = {f"std{k}": column for k, column in enumerate(stds.unbind(-1))}
    external = case.inputs.tensor("external_nominal", None)
    parts = heads | spreads | ({} if external is None else {"own": external})
    options = {
        "heads": list(heads),
        "stds": list(spreads),
        "nominal": case.config.take("nominal"),
        "external": None if external is None else "own",
    }
    share = case.config.take("lambda")
    for key, weight in (("nominal", 1.0), ("minimum", 0.0), ("reward", share)):
        case.check(key, Robust(**options, weight=weight).combine(parts).rewards)
