"""Lengths of answers, right and wrong ones apart."""

from __future__ import annotations

from typing import Any

import numpy as np

from etude.statistics.lengths import lengths

METHOD = "evaluation"
CONFIG = {"metric", "max_len"}
INPUTS = {"lengths", "correct"}


def run(case: Any) -> None:
    assert case.config.take("metric") == "response_length"
    tokens = np.array(case.inputs.take("lengths"))
    assert tokens.max() <= case.config.take("max_len")
    found = lengths(tokens, np.array(case.inputs.take("correct"), dtype=bool))
    for name, value in found.items():
        case.check(name, value)
