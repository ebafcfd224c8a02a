"""pass@k of problems with different numbers of answers, each by its own."""

from __future__ import annotations

from typing import Any

import numpy as np

from etude.evaluation.statistics import pass_at_k

METHOD = "evaluation"
CONFIG = {"metric", "k"}
INPUTS = {"num_samples", "num_correct"}


def run(case: Any) -> None:
    assert case.config.take("metric") == "pass_at_k"
    k = case.config.take("k")
    pairs = zip(case.inputs.take("num_samples"), case.inputs.take("num_correct"), strict=True)
    found = [float(pass_at_k(np.array([[i < c for i in range(n)]]), k)[0]) for n, c in pairs]
    case.check("per_problem", found)
    case.check("mean", float(np.mean(found)))
