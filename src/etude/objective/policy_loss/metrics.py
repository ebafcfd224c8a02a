"""Numbers for the log that every clipped loss reports."""

from __future__ import annotations

from torch import Tensor

from etude.objective.loss import Metrics, token_metric
from etude.primitives.clip import Surrogate


def surrogate_metrics(surrogate: Surrogate, mask: Tensor) -> Metrics:
    """Return the shares of tokens on which a clip won: above, below, either, and the dual clip."""
    return {
        "objective/clip_fraction": token_metric(surrogate.high | surrogate.low, mask),
        "objective/clip_fraction_high": token_metric(surrogate.high, mask),
        "objective/clip_fraction_low": token_metric(surrogate.low, mask),
        "objective/dual_clip_fraction": token_metric(surrogate.dual, mask),
    }
