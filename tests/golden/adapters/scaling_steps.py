"""The law of loss by steps above the least loss of a size."""

from __future__ import annotations

import math
from typing import Any

from etude.measures.scaling_laws import SizeLaw, fit_steps

METHOD = "scaling_fit"
CONFIG = {"component", "N", "N_c", "alpha_N"}
INPUTS = {"S_min", "loss", "S_query"}
MADE_WITH = {"alpha_S": 0.67, "S_c": 2600.0}


def run(case: Any) -> None:
    config, inputs = case.config, case.inputs
    config.choose("component", {"fit_S": None})
    config.choose("method", {"ordinary least squares of ln(L - (N_c/N)^alpha_N) on ln S_min": None})
    size = SizeLaw(config.take("alpha_N"), math.log(config.take("N_c")))
    least = size.loss(config.take("N"))
    law = fit_steps(inputs.take("S_min"), inputs.take("loss"), least)
    case.check("alpha_S", law.alpha_s)
    case.check("S_c", law.s_c)
    case.check("predicted_loss", [least + law.excess(s) for s in inputs.take("S_query")])
    if "truth" in case.expected:  # noise moves a fit to it by a few hundredths
        case.check("truth", MADE_WITH)
        assert math.isclose(law.alpha_s, MADE_WITH["alpha_S"], rel_tol=0.05)
        assert math.isclose(law.s_c, MADE_WITH["S_c"], rel_tol=0.05)
