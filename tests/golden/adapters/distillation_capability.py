"""Accuracy, capability and what is out of reach, from how many of k answers were right."""

from __future__ import annotations

from typing import Any

import numpy as np

from etude.evaluation.statistics import pass_at_k, unreached, unreached_bound

METHOD = "distillation"
CONFIG = {"kind", "k"}
INPUTS = {"correct_counts"}


def run(case: Any) -> None:
    assert case.config.take("kind") == "accuracy_capability"
    k = case.config.take("k")
    correct = np.array(
        [[i < count for i in range(k)] for count in case.inputs.take("correct_counts")]
    )
    case.check("accuracy", float(pass_at_k(correct, 1).mean()))
    case.check("capability", float(pass_at_k(correct, k).mean()))
    case.check("out_of_reach", unreached(correct).tolist())
    case.check("max_success_probability_when_zero_95", unreached_bound(k))
