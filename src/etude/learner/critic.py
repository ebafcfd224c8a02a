"""The critic of a stage: values before the update, and its share of every update.

The critic sees the rows, the masks, the update batches and the micro-batches of the policy.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from etude.distributed.world import current
from etude.errors import ModelError
from etude.learner.dealing import deal, merged
from etude.learner.forward import ForwardPass, read, spread
from etude.learner.interface import Tree
from etude.learner.layout import Layout
from etude.learner.microbatch import MicroBatch
from etude.learner.part_heads import PartHeads
from etude.learner.tensors import micro_batch
from etude.learner.trainee import Trainee
from etude.model.critic import ValueHead, hidden_states, value_head
from etude.model.policy import Policy
from etude.objective.batch import LossBatch, RolloutBatch
from etude.objective.loss import Estimate, Metrics, ScalarLoss, add_metrics
from etude.randomness import seed_of
from etude.rows import Row

if TYPE_CHECKING:
    from etude.learner.open_stage import OpenStage


class StageCritic:
    """A stage without a critic: nothing is assessed, nothing is learned."""

    #: A head that the policy's optimizer moves, where the critic shares the policy's trunk.
    shared: ValueHead | None = None

    @property
    def models(self) -> tuple[Policy, ...]:
        """Return the models, beside the policy, that read the micro-batches of an update."""
        return ()

    def assess(self, batch: RolloutBatch, rows: Sequence[Row]) -> RolloutBatch:
        """Return the rows of a step with the value of every token before the update."""
        return batch

    def aim(self, update: LossBatch, batch: RolloutBatch, estimate: Estimate) -> LossBatch:
        """Return the rows of a step with what the critic should come to."""
        return update

    def beside(self, passed: ForwardPass, batch: LossBatch, metrics: Metrics) -> Tensor | float:
        """Return what is added to the policy's loss of a micro-batch."""
        return 0.0

    def update(
        self, batch: LossBatch, rows: Sequence[Row], micro: list[list[int]], step: int, number: int
    ) -> dict[str, float]:
        """Make the critic's own step on update batch ``number``; return numbers for the log."""
        return {}


class ValueCritics(StageCritic):
    """A value head on the policy's trunk, or on a model and an optimizer of its own."""

    def __init__(self, stage: OpenStage, layout: Layout) -> None:
        self._layout = layout
        parts, policy, roles = stage.parts, stage.policy, stage.roles
        self._part = parts.objective.critic
        self._aggregation = parts.objective.aggregation
        self._budget: int = parts.execution.micro_batch_tokens
        self._outputs = torch.zeros(0)
        self._warned = False
        self._own: Trainee | None = None
        role: str = self._part.role
        stage.keep(f"models.{role}", self)
        roles.hand_on(role, self)
        folder = roles.folder(role)
        valued: Mapping[str, float] = parts.reward_weighting.values()
        self._heads = PartHeads(self._part.loss, valued)
        places = self._heads.places
        if self._part.share == "head":
            if not policy.plain_head:
                raise ModelError(
                    f"objective.critic.share=head reads the policy's last hidden states, and "
                    f"{policy.name} scales or caps its logits, so they are not at hand; type "
                    "objective.critic.share=own"
                )
            self._policy = policy
            self._head = value_head(policy, places, folder)
            self.shared = self._head
            return
        self._policy = roles.open(role)
        self._head = value_head(self._policy, places, folder)
        usual = replace(parts.optimizer, lr=self._part.rate(parts.optimizer.lr))
        own = roles.optimizer(role)
        if own is not None:
            usual = own if self._part.lr is None else replace(own, lr=self._part.lr)
        self._own = Trainee(
            self._policy,
            usual,
            parts.training.steps,
            parts.training.gradient_clip,
            seed_of(role, stage.seed),
            head=self._head,
        )

    @property
    def models(self) -> tuple[Policy, ...]:
        """Return the critic's own model, if it has one."""
        return () if self._own is None else (self._policy,)

    def assess(self, batch: RolloutBatch, rows: Sequence[Row]) -> RolloutBatch:
        """Return the rows of a step with the value of every token, ``[N, T]``, without gradient."""
        mine: list[tuple[list[int], Tensor]] = []
        with torch.no_grad(), self._policy.measuring():
            for part in deal(self._layout.cut(rows, self._budget, self._policy)):
                small = self._laid_out([rows[i] for i in part.rows])
                outputs = self._read(small).cpu()
                if part.counts:
                    mine.append((part.rows, outputs))
        found = torch.zeros(*batch.mask.shape, self._head.places.numel())
        for members, outputs in (one for hand in current().gather(mine) for one in hand):
            found = found.to(outputs.dtype)
            found[members, : outputs.shape[1]] = outputs
        self._outputs = found
        return self._heads.assessed(batch, found)

    def _laid_out(self, rows: Sequence[Row]) -> MicroBatch:
        return self._layout(rows, self._budget, self._policy)

    def _read(self, batch: MicroBatch) -> Tensor:
        """Return the head's outputs at every trained token, ``[N, T, m]``."""
        batch = batch.to(self._policy.device)
        states = read(self._policy, batch, partial(hidden_states, self._policy))
        needed = states.flatten(0, 1).index_select(0, batch.sources)
        return spread(self._head(needed), batch)

    def aim(self, update: LossBatch, batch: RolloutBatch, estimate: Estimate) -> LossBatch:
        """Return the rows of a step with the critic's targets as a mark.

        Raises DataError where the advantage gives no returns. Warns once of rewards that the
        critic's support does not hold.
        """
        update = self._heads.aimed(update, batch, estimate, self._outputs)
        self._outputs = torch.zeros(0)
        for rewards in self._heads.rewards(batch, estimate):
            why = self._part.loss.uncovered(float(rewards.min()), float(rewards.max()))
            if why and not self._warned:
                warnings.warn(f"step {update.step}: {why}", RuntimeWarning, stacklevel=2)
                self._warned = True
        return update

    def beside(self, passed: ForwardPass, batch: LossBatch, metrics: Metrics) -> Tensor | float:
        """Return the loss of a shared head on a micro-batch, 0 for a critic of its own."""
        if self._own is not None:
            return 0.0
        return self._term(passed.read(self._head), batch, metrics)

    def _term(self, outputs: Tensor, batch: LossBatch, metrics: Metrics) -> Tensor:
        total = outputs.new_zeros(())
        for name, weight, own, small in self._heads.terms(outputs, batch):
            term: ScalarLoss = self._part.term(own, small, self._aggregation)
            found = {f"{key}{name}": metric for key, metric in term.metrics.items()}
            metrics.update(add_metrics(metrics, found))
            total = term.loss if not name else total + weight * term.loss
        return total

    def update(
        self, batch: LossBatch, rows: Sequence[Row], micro: list[list[int]], step: int, number: int
    ) -> dict[str, float]:
        """Make the step of a critic of its own on an update batch; return numbers for the log."""
        if self._own is None:
            return {}
        metrics: Metrics = {}

        def losses() -> Iterator[Tensor]:
            for part in deal(micro):
                chosen = [rows[i] for i in part.rows]
                width = max(len(row.tokens) for row in chosen)
                small = micro_batch(batch, part.rows, width, self._policy.device)
                outputs = self._read(self._laid_out(chosen))
                found: Metrics = {}
                yield part.loss(self._term(outputs, small, found), found, metrics)

        done = self._own.update(losses(), step, number)
        numbers = {name: metric.value() for name, metric in merged(metrics).items()}
        moved = {f"critic/{name}": done[name] for name in ("gradient_norm", "learning_rate")}
        return numbers | moved

    def reset(self) -> None:
        """Begin with an optimizer that has moved nothing yet, where the critic has its own."""
        if self._own is not None:
            self._own.reset()

    def state_dict(self) -> Tree:
        """Return the state of a critic of its own; a shared head is in the policy's."""
        return {} if self._own is None else self._own.state_dict()

    def load_state_dict(self, state: Tree) -> None:
        """Restore what :meth:`state_dict` returned, to the bit."""
        if self._own is not None:
            self._own.load_state_dict(state)

    def export(self, folder: Path) -> None:
        """Write the critic's model, if it has one of its own, and its head into ``folder``."""
        if self._own is not None:
            self._policy.save(folder)
        if current().is_main:
            self._head.save(folder)


def open_critic(stage: OpenStage, layout: Layout) -> StageCritic:
    """Return the critic that the objective asks for; one that does nothing where it asks none.

    ``layout`` lays out the micro-batches that the policy reads, too.
    """
    part: Any = stage.parts.objective.critic
    return ValueCritics(stage, layout) if part.active else StageCritic()
