"""GRPO-Guard: one denoising step through the ratio and clip that tokens go through.

The step itself (Gaussian log-probs, scale, bias) belongs to flow models and is written out here.
"""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from etude.primitives.clip import clipped_surrogate
from etude.primitives.ratio_norm import normalised_ratio

METHOD = "grpo_guard"
CONFIG = {"clip", "dt", "sigma"}
INPUTS = {"x_next", "mean_new", "mean_old", "advantages"}


def run(case: Any) -> None:
    config, inputs = case.config, case.inputs
    dt, clip = config.take("dt"), config.take("clip")
    deviation = math.sqrt(-dt) * config.take("sigma")
    drawn, old = inputs.tensor("x_next"), inputs.tensor("mean_old")
    new = inputs.tensor("mean_new").requires_grad_()

    def per_row(x: Tensor) -> Tensor:
        return x.square().flatten(1).mean(-1) / (2 * deviation**2)

    log_ratio = per_row(drawn - old) - per_row(drawn - new)
    ratio = normalised_ratio(log_ratio, per_row(new - old), deviation)
    loss = clipped_surrogate(ratio, inputs.tensor("advantages"), low=clip, high=clip).loss
    total = loss.mean() / -dt
    total.backward()
    case.check("plain_ratio", log_ratio.exp())
    case.check("ratio", ratio)
    case.check("loss", total)
    case.check("grad_mean_new", new.grad)
