"""Knapsack RL: answers shared out among prompts, what prompts need, and what answers are worth."""

from __future__ import annotations

from typing import Any

from etude.build import build
from etude.data_mix.history import Visits
from etude.rollout.budget.kind import Asked
from etude.rows import Example

METHOD = "knapsack_rl"
CONFIG = {"n_default", "total_budget"}
INPUTS = {"success_rates", "valid"}

#: Judged answers of a visit: every pass rate of a case is a whole number of them.
_JUDGED = 1000


def run(case: Any) -> None:
    rates = case.inputs.take("success_rates")
    valid = case.inputs.take("valid")
    planned = [case.config.take("n_default")] * len(rates)
    assert sum(planned) == case.config.take("total_budget")
    node = {
        "name": "knapsack",
        "low": case.config.take("n_low"),
        "up": case.config.take("n_up"),
        "alpha": case.config.take("alpha"),
        "fallback": case.config.take("allow_fallback"),
        "need": case.config.take("cost_estimation"),
    }
    asked = Asked(
        step=1,
        steps=2,
        seed=0,
        examples=[Example(str(place), "given", "a prompt") for place in range(len(rates))],
        sizes=planned,
        known=[
            _visits(rate) if is_valid else None for rate, is_valid in zip(rates, valid, strict=True)
        ],
    )
    budget = build(node, "rollout/budget")
    case.check("values_at_n_default", [budget.value(planned[0], rate) for rate in rates])
    case.check("cost_estimate", [budget.needed(rate) for rate in rates])

    state = build({**node, "solver": "reference_dp"}, "rollout/budget").open(None)
    sizes = state.sizes(asked)
    found = state.metrics()
    case.check("reference_allocation", sizes)
    case.check(
        "reference_info",
        {
            "fallback": bool(found["fallback"]),
            "fallback_effective_ratio": found["needed"],
        },
    )
    worth = sum(budget.value(size, rate) for size, rate in zip(sizes, rates, strict=True))
    case.check("paper_objective_of_reference", worth)

    exact = budget.open(None)
    given = exact.sizes(asked)
    assert sum(given) == sum(planned)
    one = case.expected.take("paper_optimum_one_allocation")
    if one is None:  # prompts outside the optimisation, or a fallback
        assert case.expected.take("paper_optimum_value") is None
        return
    case.check("paper_optimum_value", exact.metrics()["value"])
    best = sum(budget.value(size, rate) for size, rate in zip(one, rates, strict=True))
    assert abs(best - exact.metrics()["value"]) < 1e-12


def _visits(rate: float) -> Visits:
    right = round(rate * _JUDGED)
    assert right / _JUDGED == rate
    return Visits(right, _JUDGED, right, _JUDGED, visits=1, step=0)
