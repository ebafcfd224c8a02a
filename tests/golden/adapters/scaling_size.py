"""The law of loss by size, fitted and read off."""

from __future__ import annotations

import math
from typing import Any

from etude.measures.scaling_laws import fit_size

METHOD = "scaling_fit"
CONFIG = {"component", "method"}
INPUTS = {"N", "loss", "N_query"}
MADE_WITH = {"alpha_N": 0.076, "N_c": 1.5e14}


def run(case: Any) -> None:
    case.config.choose("component", {"fit_L_of_N": None})
    case.config.choose("method", {"ordinary least squares of ln L on ln N": None})
    law = fit_size(case.inputs.take("N"), case.inputs.take("loss"))
    case.check("alpha_N", law.alpha_n)
    case.check("ln_N_c", law.ln_n_c)
    case.check("predicted_loss", [law.loss(size) for size in case.inputs.take("N_query")])
    if "truth" in case.expected:  # noise moves a fit to it by a few hundredths
        case.check("truth", MADE_WITH)
        assert math.isclose(law.alpha_n, MADE_WITH["alpha_N"], rel_tol=0.05)
        assert math.isclose(law.ln_n_c, math.log(MADE_WITH["N_c"]), rel_tol=0.05)
