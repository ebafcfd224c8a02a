"""The slot of a mix: in which proportion its parts give rows, at any point of a stage."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping


class Mixing(ABC):
    """Decides the shares of the training parts; held-out rows are never mixed by it."""

    @abstractmethod
    def weights(self, given: Mapping[str, float], progress: float) -> Mapping[str, float]:
        """Return how much each part counts, 0 for none of it; only their proportion matters.

        ``given`` are the parts' own weights (``data_mix.train.NAME.weight``, or their numbers of
        rows) and ``progress`` in [0, 1] is the share of the stage's steps that are done. At least
        one weight is above 0.
        """
