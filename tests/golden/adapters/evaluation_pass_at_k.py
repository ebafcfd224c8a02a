"""pass@k of every problem and its mean over problems, each with as many answers."""

from __future__ import annotations

from typing import Any

import numpy as np

from etude.evaluation.statistics import pass_at_k

METHOD = "evaluation"
CONFIG = {"metric", "n", "ks"}
INPUTS = {"num_correct"}


def run(case: Any) -> None:
    assert case.config.take("metric") == "pass_at_k"
    n = case.config.take("n")
    right = np.array([[i < count for i in range(n)] for count in case.inputs.take("num_correct")])
    found = {f"pass@{k}": pass_at_k(right, k) for k in case.config.take("ks")}
    case.check("per_problem", {name: values.tolist() for name, values in found.items()})
    # The file writes its key twice over ("pass@pass@1").
    means = {f"pass@{name}": float(values.mean()) for name, values in found.items()}
    case.check("mean", means)
