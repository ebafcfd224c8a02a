"""Accuracy, capability and pass@k for k from 1 to the number of answers."""

from __future__ import annotations

from typing import Any

import numpy as np

from etude.evaluation.statistics import pass_at_k, unreached
from etude.statistics.splits import coverage

METHOD = "evaluation"
CONFIG = {"metric", "k_max"}
INPUTS = {"correct"}


def run(case: Any) -> None:
    assert case.config.take("metric") == "coverage_curve"
    most = case.config.take("k_max")
    right = np.array(case.inputs.take("correct"), dtype=bool)
    curve = [float(pass_at_k(right, k).mean()) for k in range(1, most + 1)]
    assert coverage(right) == {k: curve[k - 1] for k in (1, 2, 4, 8)}
    case.check("pass_curve", curve)
    case.check("per_problem_avg", right.mean(axis=1).tolist())
    case.check("avg@k", float(right.mean()))
    case.check("accuracy", curve[0])
    case.check("capability", 1.0 - float(unreached(right).mean()))
