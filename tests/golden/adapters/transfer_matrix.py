"""What a chain of stages keeps, gains and loses, from one matrix of scores."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from etude.measures.transfer import StageMatrix

METHOD = "stage_transfer_metrics"
CONFIG = {"component"}
INPUTS = {"tasks", "stage_task", "evaluation"}


def run(case: Any) -> None:
    case.config.choose("component", {"stage_matrix": None})
    tasks, trains = case.inputs.take("tasks"), case.inputs.take("stage_task")
    scores = np.array(case.inputs.take("evaluation"))
    matrix = StageMatrix(tasks, [[name] for name in trains], scores)
    case.check("performance_maintenance", matrix.maintenance())
    found: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
    for each in matrix.transfers():
        said = asdict(each)
        names = {"from_task": said.pop("source"), "to_task": said.pop("target")}
        found[said.pop("forward")].append({**names, **said})
    case.check("forward_transfer", found[True])
    case.check("backward_transfer", found[False])
    case.check("mean_forward_contrast", matrix.mean_contrast(forward=True))
    case.check("mean_backward_contrast", matrix.mean_contrast(forward=False))
    case.check("mean_evaluation", matrix.mean_evaluation)
    case.check("final_mean", matrix.final_mean)
