"""How well scores tell members from others."""

from __future__ import annotations

import math
from typing import Any

from etude.evaluation.detectors import detection

METHOD = "contamination"
CONFIG: set[str] = set()
INPUTS = {"labels", "scores"}

NAMES = {
    "roc_auc": "auc",
    "best_f1_score": "f1",
    "accuracy_at_best_f1": "accuracy_at_f1",
    "optimal_threshold_f1": "threshold_f1",
    "youden_j_score": "j",
    "optimal_threshold_youden": "threshold_j",
    "f1_at_youden_threshold": "f1_at_j",
    "accuracy_at_youden_threshold": "accuracy_at_j",
    "tpr_at_fpr_5": "tpr_at_5",
}


def run(case: Any) -> None:
    labels = [bool(label) for label in case.inputs.take("labels")]
    scores = [math.nan if each == "nan" else each for each in case.inputs.take("scores")]
    found = detection(labels, scores)
    for key, name in NAMES.items():
        value = getattr(found, name)
        case.check_if_given(key, "nan" if math.isnan(value) else value)
