"""Updates after the main one of a step, each kind with an optimizer of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from etude.distributed.dealing import merged
from etude.learner.parts import StageParts
from etude.learner.sampler import StepSampler
from etude.learner.taught import taught_losses
from etude.learner.trainee import Trainee
from etude.model.policy import Policy
from etude.objective.loss import Metrics
from etude.objective.policy_gradient import ObjectiveState
from etude.randomness import seed_of
from etude.rows import Row


class ExtraUpdates:
    """The ``extra_update`` parts of an objective with their optimizers."""

    def __init__(self, parts: StageParts, policy: Policy, state: ObjectiveState, seed: int) -> None:
        self._parts = parts
        self._chosen = parts.objective.extra_update
        self._policy = policy
        self._state = state
        self._seed = seed
        self._trainees = {
            key: Trainee(
                policy,
                part.optimizer(),
                parts.training.steps,
                part.gradient_clip,
                seed_of("extra", key, seed) >> 1,
            )
            for key, part in self._chosen.items()
        }

    def collect(self, groups: Sequence[Sequence[Row]], sampler: StepSampler) -> dict[str, float]:
        """Let every part take in the judged groups of the step."""
        numbers: dict[str, float] = {}
        for key, part in self._chosen.items():
            numbers |= part.collect(groups, sampler, self._state.of(f"extra_update.{key}"))
        return numbers

    def update(self, step: int, temperature: float) -> dict[str, float]:
        """Make the updates that are due; return their metrics under ``extra/<part>/``."""
        numbers: dict[str, float] = {}
        for key, part in self._chosen.items():
            due = part.batches(self._state.of(f"extra_update.{key}"))
            numbers[f"extra/{key}/updates"] = float(len(due))
            for number, rows in enumerate(due):
                metrics: Metrics = {}
                losses = taught_losses(
                    part.loss,
                    rows,
                    self._policy,
                    metrics,
                    token_budget=self._parts.execution.micro_batch_tokens,
                    width=self._parts.rollout.max_new_tokens,
                    temperature=temperature,
                    keys=(self._seed, step, self._parts.training.steps),
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
