"""How regularly the scores of multiple-choice items grow with compute."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from etude.measures.regularity import SCORES, choice_scores, correlations

METHOD = "scaling_fit"
CONFIG = {"component", "pearson_against", "nan_items"}
INPUTS = {"compute", "choice_logprobs", "gold"}


def run(case: Any) -> None:
    case.config.choose("component", {"score_compute_correlation": None})
    case.config.choose("pearson_against", {"log10 compute": None})
    case.config.choose("nan_items", {"left out and counted": None})
    compute, gold = case.inputs.take("compute"), case.inputs.take("gold")
    scored = [
        [choice_scores(logs, right) for logs, right in zip(model, gold, strict=True)]
        for model in case.inputs.take("choice_logprobs")
    ]
    for score in SCORES:
        table = [[item[score] for item in model] for model in scored]
        found: dict[str, Any] = {}
        for way, summary in correlations(compute, np.array(table)).items():
            found[way] = {
                "per_item": ["nan" if math.isnan(each) else each for each in summary.per_item],
                "mean": summary.mean,
                "median": summary.median,
                "auc_complementary_cdf": summary.area,
                "neg_wasserstein": summary.neg_wasserstein,
                "undefined": summary.undefined,
            }
        case.check_if_given(score, {"scores": table, "correlation": found})
