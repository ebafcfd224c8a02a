"""How long answers are, right ones and wrong ones apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def lengths(tokens: NDArray[np.int64], correct: NDArray[np.bool_]) -> dict[str, float]:
    """Return ``mean``, ``max``, ``min``, ``mean_correct`` and ``mean_incorrect`` of all answers.

    A part that no answer is of is absent. Raises ValueError without answers.
    """
    if tokens.size == 0:
        raise ValueError("there is no answer to measure")
    found = {"mean": float(tokens.mean()), "max": float(tokens.max()), "min": float(tokens.min())}
    for name, part in (("mean_correct", tokens[correct]), ("mean_incorrect", tokens[~correct])):
        if part.size:
            found[name] = float(part.mean())
    return found
