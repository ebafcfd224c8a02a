"""How long a stage trains and how many rows make a step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from etude.component import Need, Rule, component, option, slots
from etude.errors import DataError
from etude.training.moves.kind import Move

#: Which learners read a key (``learner/traits.py``).
_GROUPS = "groups"
_NO_GROUPS = "not groups"
_GIVEN_ROWS = "not samples"
_TRAINS = "trains"
_DEMONSTRATIONS = "row == 'demonstration'"


@component(provides=[Need("answers:several", when="rollouts_per_prompt > 1")])
@dataclass(frozen=True)
class Standard:
    """A fixed number of steps of a fixed number of rows, with gradient clipping."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "hand_on != 'best' or stage.evaluation != null",
            "is best, and nothing is measured to tell which model is: evaluation=pass_at_k, or "
            "{path}.hand_on=last",
        ),
        Rule(
            "warm_start_steps == 0 or warm_start_steps < steps",
            "is {warm_start_steps}, and the stage has {steps} steps: the policy would never move",
        ),
        Rule(
            "warm_start_steps == 0 or stage.objective.critic.share != 'head'",
            "is {warm_start_steps}, and a critic on the policy's own trunk cannot learn while the "
            "policy does not move: objective.critic.share=own",
        ),
    )

    steps: int = option(
        150,
        "optimisation steps of the stage (batches, where rows are written)",
        ge=1,
        le=100_000_000,
    )
    rows_per_step: int = option(
        128,
        "demonstrations, or pairs, of one update (prompts of one batch, where rows are written)",
        ge=1,
        read_by=_NO_GROUPS,
        le=10_000_000,
    )
    epochs: int | None = option(
        None,
        "passes over the rows, in whole updates: the stage ends after floor(rows / rows_per_step) "
        "x epochs steps if that is sooner than steps; null: after steps",
        ge=1,
        read_by=_GIVEN_ROWS,
        le=1_000_000,
    )
    prompts_per_step: int = option(
        32, "prompts of one rollout batch", ge=1, read_by=_GROUPS, le=10_000_000
    )
    rollouts_per_prompt: int = option(
        8, "answers sampled for each prompt", ge=1, read_by=_GROUPS, le=100_000
    )
    updates_per_step: int = option(
        1,
        "update batches a rollout batch is cut into (whole groups)",
        ge=1,
        read_by=_GROUPS,
        le=100_000,
    )
    epochs_per_step: int = option(
        1, "passes over a rollout batch", ge=1, read_by=_GROUPS, le=10_000
    )
    warm_start_steps: int = option(
        0,
        "steps at the beginning in which answers are sampled and judged and fill baselines, pass "
        "rates, reward statistics and a critic of its own, while the policy does not move",
        ge=0,
        read_by=_GROUPS,
        le=100_000_000,
    )
    gradient_clip: float | None = option(
        1.0, "largest norm of the gradient; null clips nothing", gt=0
    )
    max_length: int = option(
        512,
        "longest demonstration in tokens, prompt included",
        ge=2,
        read_by=_GIVEN_ROWS,
        le=100_000_000,
    )
    too_long: str = option(
        "refuse",
        "what becomes of a longer demonstration: refuse | cut (its end) | drop",
        choices=("refuse", "cut", "drop"),
        read_by=_GIVEN_ROWS,
    )
    packing: str = option(
        "none",
        "rows that share a sequence: none | bfd (best fit, decreasing) | bfd_split | wrapped",
        choices=("none", "bfd", "bfd_split", "wrapped"),
        read_by=_DEMONSTRATIONS,
    )
    hand_on: str = option(
        "last",
        "the model a finished stage hands on: last | best (of the evaluations during training) | "
        "a metric that is greatest at it (ood/pass@1), or with - before it least (-ood/length)",
    )

    moves: Mapping[str, Move] = slots(
        doc="what moves the other models between steps: a reference that is reset, an average",
        read_by=_TRAINS,
    )

    def warms_up(self, step: int) -> bool:
        """Return whether the policy does not move in a step, numbered from 0, yet."""
        return step < self.warm_start_steps

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
