"""The critical batch by loss, from the steps that runs of several batches took."""

from __future__ import annotations

import math
from typing import Any

from etude.measures.scaling_laws import critical_batch, fit_batch

METHOD = "scaling_fit"
CONFIG = {"component", "method"}
INPUTS = {"losses", "batch_tokens", "steps_to_reach"}
HOW = (
    "per loss level: ordinary least squares of S on 1/B (intercept S_min, slope E_min, "
    "B_crit = slope/intercept); then ln B_crit on ln L"
)
MADE_WITH = {"alpha_B": 0.205, "B_star": 1.7e8}


def run(case: Any) -> None:
    case.config.choose("component", {"fit_B_crit": None})
    case.config.choose("method", {HOW: None})
    losses, batches = case.inputs.take("losses"), case.inputs.take("batch_tokens")
    steps = case.inputs.take("steps_to_reach")
    levels = [critical_batch(loss, batches, s) for loss, s in zip(losses, steps, strict=True)]
    case.check("S_min", [each.least_steps for each in levels])
    case.check("E_min", [each.least_tokens for each in levels])
    case.check("B_crit", [each.batch for each in levels])
    law = fit_batch(levels)
    case.check("alpha_B", law.alpha_b)
    case.check("ln_B_star", law.ln_b_star)
    if "truth" in case.expected:  # noise moves a fit to it by a few hundredths
        case.check("truth", MADE_WITH)
        assert math.isclose(law.alpha_b, MADE_WITH["alpha_B"], rel_tol=0.05)
        assert math.isclose(law.ln_b_star, math.log(MADE_WITH["B_star"]), rel_tol=0.05)
