"""What every schedule shares: a linear warm-up, then a shape of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from etude.component import option


@dataclass(frozen=True)
class Schedule:
    """A factor in [0, 1] on the peak learning rate, after a linear warm-up from 0."""

    #: Whether the factor at a step depends on how many steps the stage has: such a stage cannot be
    #: extended, because its earlier steps would have used other rates.
    depends_on_steps: ClassVar[bool] = False

    warmup_steps: int = option(0, "steps of linear warm-up from 0 to the peak rate", ge=0)

    def factor(self, step: int, steps: int) -> float:
        """Return the factor for step number ``step`` (from 0) of a stage of ``steps`` steps."""
        warmup = self.warmup(steps)
        return (step + 1) / warmup if step < warmup else self.shape(step, steps)

    def warmup(self, steps: int) -> int:
        """Return how many of a stage's steps are warm-up."""
        return self.warmup_steps

    def shape(self, step: int, steps: int) -> float:
        """Return the factor after the warm-up."""
        return 1.0


@dataclass(frozen=True)
class Decay(Schedule):
    """A schedule that falls from the peak towards ``final_factor``, which follows the last step.

    So every update moves the model, also the only one of a stage of one step, as with the
    schedules of transformers.
    """

    depends_on_steps: ClassVar[bool] = True

    final_factor: float = option(
        0.0, "factor that the step after the last would have", ge=0.0, le=1.0
    )
    warmup_share: float = option(
        0.0, "warm-up as a share of the stage's steps, where warmup_steps is fewer", ge=0, lt=1
    )

    def warmup(self, steps: int) -> int:
        """Return how many of a stage's steps are warm-up."""
        return max(self.warmup_steps, math.ceil(self.warmup_share * steps))

    def shape(self, step: int, steps: int) -> float:
        """Return the factor after the warm-up: from 1 down towards ``final_factor``."""
        warmup = self.warmup(steps)
        progress = min(1.0, (step - warmup) / max(1, steps - warmup))
        return self.final_factor + (1.0 - self.final_factor) * self.fall(progress)

    def fall(self, progress: float) -> float:
        """Return 1 at ``progress`` 0 and 0 at ``progress`` 1."""
        return 0.5 * (1.0 + math.cos(math.pi * progress))
