"""How often a verifier rejects what is right, estimated from appeals (arXiv 2510.00915).

A share q of the rejections is looked at again. Each one that is overturned stands for 1/q false
negatives (Horvitz and Thompson):

    FN = Σ overturned / q        rate = (FN + a) / (P + FN + a + b)

where P counts acceptances, P and FN are running means over the steps, and a, b are pseudo-counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

#: The largest rate that is believed.
MOST = 0.95


@dataclass
class FalseNegatives:
    """A running estimate; nothing is known before the first acceptance or overturned rejection."""

    decay: float = 0.9
    prior_positives: float = 0.0
    prior_negatives: float = 0.0
    positives: float | None = None
    negatives: float = 0.0
    latest: float = field(default=0.0)
    """The rate of the last step that had one, by itself."""

    def count(self, accepted: float, overturned: float, share: float) -> None:
        """Move by the acceptances and the overturned rejections of a step, ``share`` audited.

        A step with neither tells nothing, and leaves the estimate.
        """
        found = overturned / share
        if accepted + found == 0:
            return
        self.latest = found / (accepted + found)
        if self.positives is None:
            self.positives, self.negatives = float(accepted), found
            return
        self.positives = self.decay * self.positives + (1 - self.decay) * accepted
        self.negatives = self.decay * self.negatives + (1 - self.decay) * found

    @property
    def rate(self) -> float | None:
        """Return the estimated rate, at most 0.95; None while nothing is known."""
        if self.positives is None:
            return None
        missed = self.negatives + self.prior_negatives
        return min(MOST, missed / (self.positives + self.prior_positives + missed))

    def state_dict(self) -> dict[str, Any]:
        """Return the running means."""
        return {"positives": self.positives, "negatives": self.negatives, "latest": self.latest}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the running means."""
        self.positives, self.negatives = state["positives"], state["negatives"]
        self.latest = state["latest"]
