"""What says in which steps a trained role is updated, and in which of these the policy is."""

from __future__ import annotations

from abc import ABC, abstractmethod


class Schedule(ABC):
    """When a trained role learns; it depends on the number of the step and nothing else.

    Base of the group `models/schedule`; whoever has :meth:`due` need not derive from it.
    """

    @abstractmethod
    def due(self, step: int) -> bool:
        """Return whether the role is updated in a step (from 0)."""

    def policy(self, step: int) -> bool:
        """Return whether the policy may be updated in a step; the schedules of all roles must."""
        return True
