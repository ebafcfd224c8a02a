"""The slot of a mix: how often each row of a training part is visited."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Weighed:
    """How likely each row of a part is to be drawn, ``[rows]`` (sum 1), and what a log says of it.

    ``probabilities`` None visits all rows pass by pass.
    """

    probabilities: NDArray[np.float64] | None = None
    findings: Mapping[str, float] = field(default_factory=dict)


class RowSampling(ABC):
    """Decides how often each row of a training part is visited; held-out rows are never drawn."""

    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """Return the columns it reads."""

    @abstractmethod
    def weigh(self, rows: Mapping[str, Sequence[Any]]) -> Weighed:
        """Return how likely each row of a part is to be drawn, from its columns (at least one).

        Raises DataError, with what is wrong, for columns that it cannot read.
        """
