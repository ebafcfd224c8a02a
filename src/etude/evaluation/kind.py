"""What every evaluation stands on. This module imports nothing heavy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from etude.evaluation.interface import Result


class Evaluation(ABC):
    """A component that measures a model.

    What it gives is known to gates and ``training.hand_on`` where it says so: by
    ``provides=["metric:NAME"]``, or by a method ``metric_ranges(demonstrated)`` that returns each
    metric with its least and most.
    """

    @abstractmethod
    def measure(self, view: Any) -> Result | Mapping[str, Any]:
        """Return what a model is worth: a Result, or metrics by name.

        ``view`` (:class:`etude.evaluation.view.View`) holds the model, its rows, and what samples
        and judges. A metric is a number, or a list of them, one a problem, whose mean gets an
        interval. All ranks call it together, and each returns the same.
        """
