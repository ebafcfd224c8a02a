"""Shares of right answers that move: a discounted Beta posterior of each of many rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray


class BetaTracker:
    """The posterior Beta(a, b) of each row's share of right answers, rows being places 0, 1, ….

    A visit with s right answers and f wrong ones moves it, and what was seen before fades to the
    prior: a ← d·a + (1 − d)·a₀ + s, b ← d·b + (1 − d)·b₀ + f.
    """

    def __init__(self, decay: float, right: float, wrong: float) -> None:
        self._decay = decay
        self._prior = np.array([[right], [wrong]], dtype=np.float64)
        self._numbers = np.empty((2, 0))

    @property
    def prior(self) -> tuple[float, float]:
        """Return a₀ and b₀, which a row has before its first visit."""
        return float(self._prior[0, 0]), float(self._prior[1, 0])

    @property
    def alpha(self) -> NDArray[np.float64]:
        """Return a of every place that there is."""
        return self._numbers[0]

    @property
    def beta(self) -> NDArray[np.float64]:
        """Return b of every place that there is."""
        return self._numbers[1]

    def mean(self) -> NDArray[np.float64]:
        """Return a / (a + b) of every place that there is."""
        found: NDArray[np.float64] = self._numbers[0] / self._numbers.sum(axis=0)
        return found

    def visit(
        self,
        places: NDArray[np.int64],
        right: NDArray[np.integer[Any]],
        wrong: NDArray[np.integer[Any]],
    ) -> None:
        """Take in the answers of a visit to each of some different places."""
        if not len(places):
            return
        missing = int(places.max()) + 1 - self._numbers.shape[1]
        if missing > 0:
            room = np.repeat(self._prior, max(missing, self._numbers.shape[1]), axis=1)
            self._numbers = np.hstack([self._numbers, room])
        seen = np.stack([right, wrong])
        faded = self._decay * self._numbers[:, places] + (1.0 - self._decay) * self._prior
        self._numbers[:, places] = faded + seen

    def state_dict(self) -> dict[str, Any]:
        """Return a and b of every place."""
        return {"numbers": torch.from_numpy(self._numbers.copy())}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""
        self._numbers = state["numbers"].numpy().copy()
