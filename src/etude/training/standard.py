"""How long a stage trains and how many rows make a step."""

from __future__ import annotations

from dataclasses import dataclass

from etude.component import component, option
from etude.errors import DataError

_RL = ("policy_gradient",)
_SFT = ("supervised",)
_ROWS = ("supervised", "preference")


@component()
@dataclass(frozen=True)
class Standard:
    """A fixed number of steps of a fixed number of rows, with gradient clipping."""

    steps: int = option(150, "optimisation steps of the stage (generate: batches)", ge=1)
    rows_per_step: int = option(
        128,
        "demonstrations, or pairs, of one update (generate: prompts of one batch)",
        ge=1,
        learners=(*_ROWS, "generate"),
    )
    epochs: int | None = option(
        None,
        "passes over the rows, in whole updates: the stage ends after floor(rows / rows_per_step) "
        "x epochs steps if that is sooner than steps; null: after steps",
        ge=1,
        learners=_ROWS,
    )
    prompts_per_step: int = option(32, "prompts of one rollout batch", ge=1, learners=_RL)
    rollouts_per_prompt: int = option(8, "answers sampled for each prompt", ge=1, learners=_RL)
    updates_per_step: int = option(
        1, "update batches a rollout batch is cut into (whole groups)", ge=1, learners=_RL
    )
    epochs_per_step: int = option(1, "passes over a rollout batch", ge=1, learners=_RL)
    gradient_clip: float | None = option(
        1.0, "largest norm of the gradient; null clips nothing", gt=0
    )
    max_length: int = option(
        512, "longest demonstration in tokens, prompt included", ge=2, learners=_ROWS
    )
    too_long: str = option(
        "refuse",
        "what becomes of a longer demonstration: refuse | cut (its end) | drop",
        choices=("refuse", "cut", "drop"),
        learners=_ROWS,
    )
    packing: str = option(
        "none",
        "rows that share a sequence: none | bfd (best fit, decreasing) | bfd_split | wrapped",
        choices=("none", "bfd", "bfd_split", "wrapped"),
        learners=_SFT,
    )
    hand_on: str = option(
        "last",
        "the model a finished stage hands on: last | best (of the evaluations during training)",
        choices=("last", "best"),
    )

    def steps_over(self, rows: int) -> int:
        """Return the number of steps of a stage whose mix has so many rows.

        Raises DataError when a pass over them is not even one update.
        """
        if self.epochs is None:
            return self.steps
        passes = rows // self.rows_per_step
        if passes == 0:
            raise DataError(
                f"the mix has {rows} rows, too few for one update of training.rows_per_step="
                f"{self.rows_per_step}, so training.epochs={self.epochs} makes no step; lower "
                "training.rows_per_step, or give the stage more rows"
            )
        return min(self.steps, passes * self.epochs)
