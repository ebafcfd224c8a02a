"""What a model thought at each token, from its likeliest tokens."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from etude.evaluation.detectors import token_statistics

METHOD = "contamination"
CONFIG = {"top_k"}
INPUTS = {"topk_ids", "topk_logprobs", "token_ids"}


def run(case: Any) -> None:
    ids, top = case.inputs.take("topk_ids"), case.inputs.take("topk_logprobs")
    assert {len(each) for each in ids} == {case.config.take("top_k")}
    own = [
        dict(zip(tokens, logs, strict=True)).get(token, math.nan)
        for tokens, logs, token in zip(ids, top, case.inputs.take("token_ids"), strict=True)
    ]
    found = token_statistics(np.array(top), np.array(own))
    case.check("entropies", found.entropies.tolist())
    case.check("mus", found.means.tolist())
    case.check("sigmas", found.deviations.tolist())
    case.check("logprobs", [None if math.isnan(each) else each for each in found.logprobs.tolist()])
