"""Log-probs at a temperature, from those that an engine gives without one."""

from __future__ import annotations

import math
from collections.abc import Iterable


def tempered(own: float, every: Iterable[float], temperature: float) -> float:
    """Return the log-prob of a token at a temperature (0 stands for 1).

    ``every`` are the log-probs of the whole vocabulary at temperature 1; where that is the one
    asked for they are not looked at.
    """
    if temperature in (0.0, 1.0):
        return own
    scaled = [each / temperature for each in every]
    top = max(scaled)
    return own / temperature - top - math.log(sum(math.exp(each - top) for each in scaled))
