"""The slot ``rollout/gate``: whether and when the trained model replaces the one that samples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any


class Gate(ABC):
    """A component of the group ``rollout/gate``.

    One that decides stands between the trained model, the candidate, and the behaviour policy,
    which samples in its place (``rollout.model_from``) and whose log-probs are the denominators of
    all ratios.
    """

    @abstractmethod
    def open(self, stage: Any) -> Any:
        """Return what decides in an open stage (a :class:`etude.live.Live`), None where nothing."""
