"""Steps on the simplex: weights that keep their sum and stay above 0."""

from __future__ import annotations

import math
from collections.abc import Mapping


def mirror_step(
    weights: Mapping[str, float], gains: Mapping[str, float], rate: float, floor: float = 1e-8
) -> dict[str, float]:
    """Return weights after one step of mirror ascent: w ← Σw · softmax(log w + rate · gain).

    A share below ``floor`` counts as that much, so that none is lost for good.
    """
    total = sum(weights.values())
    logits = {
        name: math.log(max(weight / total, floor)) + rate * gains[name]
        for name, weight in weights.items()
    }
    most = max(logits.values())
    moved = {name: math.exp(logit - most) for name, logit in logits.items()}
    share = total / sum(moved.values())
    return {name: share * weight for name, weight in moved.items()}
