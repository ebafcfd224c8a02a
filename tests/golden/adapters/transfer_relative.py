"""How a stage learned in a chain against a run on its task alone."""

from __future__ import annotations

from typing import Any

from etude.measures.transfer import relative_performance

METHOD = "stage_transfer_metrics"
CONFIG = {"component"}
INPUTS = {"chain_curve", "single_task_curve"}


def run(case: Any) -> None:
    case.config.choose("component", {"relative_performance": None})
    chain, alone = case.inputs.take("chain_curve"), case.inputs.take("single_task_curve")
    case.check("relative_performance", relative_performance(chain, [alone]))
