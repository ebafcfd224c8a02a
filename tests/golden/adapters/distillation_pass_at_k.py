"""The unbiased pass@k, averaged over questions."""

from __future__ import annotations

from typing import Any

import numpy as np

from etude.evaluation.statistics import pass_at_k

METHOD = "distillation"
CONFIG = {"kind", "n", "estimator"}
INPUTS = {"correct_counts", "ks"}


def run(case: Any) -> None:
    assert case.config.take("kind") == "pass_at_k"
    assert case.config.take("estimator") == "1 - C(n-c,k)/C(n,k)"
    n = case.config.take("n")
    correct = np.array(
        [[i < count for i in range(n)] for count in case.inputs.take("correct_counts")]
    )
    found = {str(k): float(pass_at_k(correct, k).mean()) for k in case.inputs.take("ks")}
    expected = case.expected.take("pass_at_k")
    assert found.keys() == expected.keys()
    for k, value in expected.items():
        assert abs(found[k] - value) <= case.atol + case.rtol * abs(value), (case.name, k)
