"""Updates after the main one of a step, each kind with an optimizer of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from etude.learner.dealing import merged
from etude.learner.open_stage import OpenStage
from etude.learner.sampler import StepSampler
from etude.learner.taught import taught_losses
from etude.learner.trainee import Trainee
from etude.objective.loss import Metrics
from etude.objective.policy_gradient import ObjectiveState
from etude.randomness import seed_of
from etude.rows import Row


class ExtraUpdates:
    """The ``extra_update`` parts of an objective with their optimizers."""

    def __init__(self, stage: OpenStage) -> None:
        self._stage = stage
        self._chosen = stage.parts.objective.extra_update
        self._trainees = {
            key: Trainee(
                stage.policy,
                part.optimizer,
                stage.steps,
                part.gradient_clip,
                seed_of("extra", key, stage.seed) >> 1,
            )
            for key, part in self._chosen.items()
        }

    def collect(
        self, groups: Sequence[Sequence[Row]], sampler: StepSampler, state: ObjectiveState
    ) -> dict[str, float]:
        """Let every part take in the judged groups of the step."""
        numbers: dict[str, float] = {}
        for key, part in self._chosen.items():
            numbers |= part.collect(groups, sampler, state.of(f"extra_update.{key}"))
        return numbers

    def update(self, step: int, state: ObjectiveState, width: int) -> dict[str, float]:
        """Make the updates that are due; return their metrics under ``extra/<part>/``.

        ``width`` is the longest answer of the step, which fixed-length denominators read.
        Demonstrations are taught at temperature 1, whatever answers are sampled at.
        """
        numbers: dict[str, float] = {}
        for key, part in self._chosen.items():
            due = part.batches(state.of(f"extra_update.{key}"))
            numbers[f"extra/{key}/updates"] = float(len(due))
            for number, rows in enumerate(due):
                metrics: Metrics = {}
                losses = taught_losses(
                    part.loss,
                    rows,
                    self._stage.policy,
                    metrics,
                    token_budget=self._stage.execution.micro_batch_tokens,
                    width=width,
                    temperature=1.0,
                    keys=(self._stage.seed, step, self._stage.steps),
                )
                done = self._trainees[key].update(losses, step, number)
                done |= {name: metric.value() for name, metric in merged(metrics).items()}
                numbers |= {f"extra/{key}/{name}": value for name, value in done.items()}
        return numbers

    def state_dict(self) -> dict[str, Any]:
        """Return every optimizer's state."""
        return {key: trainee.optimizer_state() for key, trainee in self._trainees.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned, to the bit."""
        for key, trainee in self._trainees.items():
            trainee.load_optimizer_state(state[key])
