"""BroRL: what N samples are expected to miss, pass@k, and the learning rate of a larger batch."""

from __future__ import annotations

from typing import Any

from etude.build import build
from etude.primitives.mass import expected_unsampled, pass_at

METHOD = "brorl"
CONFIG = {"lr0", "B_0"}
INPUTS: set[str] = set()


def run(case: Any) -> None:
    chances, samples = (case.config.tensor(name).unsqueeze(-1) for name in ("p", "N"))
    case.check("expected_unsampled_second_moment", expected_unsampled(chances, samples.T))
    right, tries = (case.config.tensor(name).unsqueeze(-1) for name in ("Q", "k"))
    case.check("pass_at_k", pass_at(right, tries.T))
    schedule = build(
        {
            "name": "broadened",
            "rows_before": case.config.take("B_0"),
            "rows": case.config.take("B_new"),
        },
        "optimizer/schedule",
    )
    case.check("lr_scaled", case.config.take("lr0") * schedule.factor(3, 10))
