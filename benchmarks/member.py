"""What is typed to train a member of a benchmark, and for how many steps."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Member:
    """What is trained: overrides of `train`, and the key of the steps that its tokens depend on."""

    overrides: tuple[str, ...]
    steps_key: str = "training.steps"

    def with_steps(self, steps: int, *, measured: bool) -> list[str]:
        """Return the overrides for so many steps, measured as they say or by next to nothing."""
        words = [*self.overrides, f"{self.steps_key}={steps}"]
        if measured:
            return words
        less = "evaluation.problems="
        return [f"{less}2" if word.startswith(less) else word for word in words]
