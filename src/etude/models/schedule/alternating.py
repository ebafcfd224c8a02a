"""The role and the policy in turn, after steps at the beginning that are the role's alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from etude.component import component, option
from etude.models.schedule.kind import Schedule


@component()
@dataclass(frozen=True)
class Alternating(Schedule):
    """Updates the policy for some steps, then the role for some, in turn and never both."""

    words: ClassVar[str] = (
        "[{first} alone, then ]{policy_steps} of the policy and {role_steps} of its own in turn"
    )

    first: int = option(0, "steps at the beginning in which the role alone is updated", ge=0)
    policy_steps: int = option(1, "steps of the policy in each cycle, which come first", ge=0)
    role_steps: int = option(1, "steps of the role in each cycle", ge=1)

    def due(self, step: int) -> bool:
        """Return whether a step is the role's."""
        if step < self.first:
            return True
        return (step - self.first) % (self.policy_steps + self.role_steps) >= self.policy_steps

    def policy(self, step: int) -> bool:
        """Return whether a step is the policy's."""
        return not self.due(step)
