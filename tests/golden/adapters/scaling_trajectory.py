"""Whole curves at a finite batch, and what it takes to reach a loss."""

from __future__ import annotations

import math
from typing import Any

from etude.measures.scaling_laws import BatchLaw, Laws, SizeLaw, StepLaw

METHOD = "scaling_fit"
CONFIG = {"component", "constants"}
INPUTS = {"N", "steps", "batch_tokens", "target_loss"}


def run(case: Any) -> None:
    case.config.choose("component", {"trajectory": None})
    c = case.config.take("constants")
    laws = Laws(
        SizeLaw(c["alpha_N"], math.log(c["N_c"])),
        StepLaw(c["alpha_S"], c["S_c"]),
        BatchLaw(c["alpha_B"], math.log(c["B_star"])),
    )
    size, batch = case.inputs.take("N"), case.inputs.take("batch_tokens")
    case.check("loss", [laws.loss(size, s, batch) for s in case.inputs.take("steps")])
    case.check("minimum_loss", laws.size.loss(size))
    there = laws.to_target(size, case.inputs.take("target_loss"), batch)
    case.check(
        "to_target",
        {
            "S_min": there.least_steps,
            "B_crit": there.critical_batch,
            "steps_at_B": there.steps,
            "tokens_at_B": there.tokens,
            "steps_at_B_crit": there.steps_at_critical,
            "tokens_at_B_crit": there.tokens_at_critical,
        },
    )
