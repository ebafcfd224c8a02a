"""What the candidates that a proxy ranks first are worth, for every k."""

from __future__ import annotations

import math
from typing import Any

from etude.statistics.choosing import top_k

METHOD = "evaluation"
CONFIG = {"metric", "k_max"}
INPUTS = {"candidate_values", "estimated_values"}


def run(case: Any) -> None:
    assert case.config.take("metric") == "sharpe_ratio_at_k"
    values, proxy = case.inputs.take("candidate_values"), case.inputs.take("estimated_values")
    baseline = case.inputs.take("baseline")
    assert values[case.inputs.take("baseline_is_candidate_index")] == baseline
    ks = range(1, case.config.take("k_max") + 1)
    code = [top_k(values, proxy, baseline, k) for k in ks]
    paper = [top_k(values, proxy, baseline, k, sample=False) for k in ks]
    for name in ("best", "worst", "mean"):
        case.check(name, [getattr(one, name) for one in code])
        assert [getattr(one, name) for one in code] == [getattr(one, name) for one in paper]
    case.check("std_ddof1", [written(one.spread) for one in code])
    case.check("std_ddof0", [written(one.spread) for one in paper])
    case.check("sharpe_code", [written(one.sharpe) for one in code])
    case.check("sharpe_paper", [written(one.sharpe) for one in paper])


def written(value: float | None) -> float | str:
    """Return a number as the file has it, where what is undefined is a text."""
    return "nan" if value is None or math.isnan(value) else value
