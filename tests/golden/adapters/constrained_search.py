"""The search for thresholds, on functions whose values are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from etude.reward_weighting.threshold_search import ThresholdSearch

METHOD = "constrained_rewards"
CONFIG = {"function", "cache_tolerance"}
INPUTS = {"simplex"}

FUNCTIONS: dict[str, Callable[..., float]] = {
    "quad": lambda x, y: (x - 0.6) ** 2 + 2 * (y - 0.3) ** 2,
    "rosen": lambda x, y: (1 - x) ** 2 + 5 * (y - x * x) ** 2,
    "quad3": lambda x, y, z: (x - 0.2) ** 2 + (y - 0.5) ** 2 + (z - 0.9) ** 2,
    "flat": lambda *point: 0.0 * sum(point),
}


def run(case: Any) -> None:
    take = case.config.take
    assert take("kind") == "nelder_mead"
    function, trace = case.config.choose("function", FUNCTIONS), case.expected.values["trace"]
    simplex = case.inputs.take("simplex")
    names = [f"part{k}" for k in range(len(simplex[0]))]
    weighting = ThresholdSearch(
        thresholds=dict.fromkeys(names, 0.0),
        highest=dict.fromkeys(names, 1.0),
        reflect=take("alpha"),
        expand=take("gamma"),
        contract=take("rho"),
        shrink=take("sigma"),
        tolerance=take("tol"),
        near=take("cache_tolerance"),
        iterations=take("iterations", len(trace)),
    )
    begun = dict(zip(names, simplex[0], strict=True))
    state = {**weighting.start(0), "simplex": simplex, "thresholds": begun}
    while state["simplex"] is not None:
        state = weighting.judged(state, -function(*state["thresholds"].values()))
    moves = weighting.rule.played(simplex, state["known"]).moves
    case.check("evaluations", len(state["known"]))
    case.check(
        "trace",
        [{"action": m.action, "simplex": m.simplex, "best_before": m.best_before} for m in moves],
    )
