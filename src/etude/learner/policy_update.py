"""One trained model learns from groups of rewarded rows: of the policy, or of another role.

From groups to an optimizer's steps, as a list; each line is one method below or one part of the
objective.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import torch
from torch import Tensor

from etude.learner.clock import Clock
from etude.learner.critic import open_critic
from etude.learner.dealing import deal, merged
from etude.learner.forward import forward, score
from etude.learner.layout import Layout
from etude.learner.open_stage import OpenStage
from etude.learner.recall import Recall
from etude.learner.rollouts import Rollouts
from etude.learner.taught import demonstration_rows, taught_losses
from etude.learner.tensors import micro_batch, pad, rollout_batch
from etude.learner.updates import UpdateRows, cut_kept, cut_prompts, repeats
from etude.objective.batch import NOT_COUNTED, LossBatch, RolloutBatch, Totals, totals_of
from etude.objective.loss import Estimate, Metrics, token_metric
from etude.objective.policy_gradient import ObjectiveState
from etude.randomness import generator
from etude.reward_weighting.interface import Gradient
from etude.rows import Row

Groups = list[list[Row]]


@dataclass(frozen=True)
class Learned:
    """Numbers for the log of what was learned from groups, and of how many of their rows."""

    metrics: dict[str, float]
    rows: int


class PolicyUpdate:
    """Moves the model of an open stage towards its better answers, as the objective says.

    ``temperature`` is that of the answers of the present step.
    """

    def __init__(self, stage: OpenStage) -> None:
        self.stage = stage
        self.parts = stage.parts
        self.objective = stage.parts.objective
        self.training = stage.parts.training
        self.seed = stage.seed
        self.policy = stage.policy
        self._layout = Layout(share_prompts=stage.execution.share_prompts)
        self.critic = open_critic(stage, self._layout)
        stage.open_trainee(head=self.critic.shared)
        self.temperature: float = stage.parts.rollout.temperature
        self.rollouts = Rollouts(stage)
        budget = stage.execution.micro_batch_tokens
        self.recall = Recall(self.policy, self.objective, budget, self._layout)
        self._on_policy = self.rollouts.on_policy
        alike = getattr(stage.parts.rollout, "samples_as_trained", False)
        chosen = self.objective.mismatch
        self._may_correct = chosen.active and (chosen.built_in or not alike)

    @cached_property
    def state(self) -> ObjectiveState:
        """Return the states of the objective's parts, which the stage keeps."""
        return ObjectiveState.among(self.stage.live)

    def learn(self, groups: Groups, step: int, clock: Clock) -> Learned:
        """Update the policy on rewarded groups; return what the log wants, and how many counted.

        Where a filter left no group there is nothing to learn from, and no update is made. In a
        step of the warm start the rewards and advantages move on and a critic of its own learns,
        and nothing else.
        """
        if not groups:
            return Learned({"update/skipped": 1.0}, 0)
        self._layout.clear()
        with clock.phase("logprobs"):
            self._old_and_role_logprobs(groups)
        rows = [row for group in groups for row in group]
        rewarded = self.rollouts.rewarding.whole(
            groups, self._batch(groups, step), self.state, partial(self._gradient, rows)
        )
        batch, estimate = rewarded.batch, rewarded.estimate
        if self.training.warms_up(step):
            with clock.phase("update"):
                warmed = self._warm(rows, batch, estimate, step)
            return Learned({**rewarded.metrics, **estimate.metrics, **warmed}, 0)
        mask, selected = self.objective.select(batch, estimate.advantages, self.state)
        with clock.phase("update"):
            trained = self._train(groups, replace(batch, mask=mask), estimate, step)
        self.objective.observe(trained, self.state)
        found = {**rewarded.metrics, **estimate.metrics, **selected, **trained}
        return Learned(found, int((mask.sum(-1) > 0).sum()))

    def _batch(self, groups: Groups, step: int) -> RolloutBatch:
        limit = self.rollouts.max_new_tokens
        batch = rollout_batch(groups, limit, seed=self.seed, step=step, steps=self.stage.steps)
        return self.critic.assess(batch, [row for group in groups for row in group])

    def _old_and_role_logprobs(self, groups: Groups) -> None:
        """Fill in the log-probs of the policy at sampling and of frozen models, where needed.

        With one update a step the trained policy is the sampling policy, so the loss's own forward
        pass gives the old log-probs and no pass is spent on them here. Where another model samples,
        or several are combined, the old log-probs are those that were sampled by; tokens that
        nobody sampled have those of this policy.
        """
        rows = [row for group in groups for row in group]
        self.recall.clear()
        self._on_policy = self.rollouts.on_policy and not any(row.behaviour for row in rows)
        if self._on_policy and self._old_pass_needed(rows):
            self.recall.fill(rows, self.temperature)
        elif not self._on_policy and self.objective.reads_old_logprobs:
            self.recall.fill_given(rows, self.temperature)
        budget = self.parts.execution.micro_batch_tokens
        for model, roles in self.stage.roles.scoring(self.stage.role):
            known = score(
                model,
                rows,
                temperature=self.temperature,
                token_budget=budget,
                layout=self._layout,
            )
            for row, values in zip(rows, known, strict=True):
                row.role_logprobs |= dict.fromkeys(roles, values)

    def _old_pass_needed(self, rows: Sequence[Row]) -> bool:
        return (
            self.training.updates_per_step * self.training.epochs_per_step > 1
            or self._may_correct
            or self.objective.reads_old_logprobs
            or bool(self.objective.statistics)
            or any(row.prompt != row.sampled_prompt for row in rows)
        )

    def _train(
        self, groups: Groups, batch: RolloutBatch, estimate: Estimate, step: int
    ) -> dict[str, float]:
        """Update on every batch of every epoch; return metrics averaged over the updates."""
        rows = [row for group in groups for row in group]
        known = self._on_policy and self.recall.filled
        found = self.objective.measure(batch, corrected=self._corrects) if known else {}
        whole = self.critic.aim(self._loss_batch(rows, batch, estimate), batch, estimate)
        sampled = len(rows)
        places = repeats(whole.mask)
        if places is not None:
            rows = [rows[i] for i in places.tolist()]
            whole = whole.select(places)
            whole = replace(whole, mask=whole.mask.clamp(max=1))
        logged: list[dict[str, float]] = []
        for part, chosen in enumerate(self._update_batches(whole, step, sampled)):
            some = [rows[i] for i in chosen.rows.tolist()]
            update, micro, tokens = self._prepared(whole.select(chosen.rows), some, part)
            self.stage.counted["trained"] += tokens
            done = self._update(update, some, micro, step, part, chosen.share)
            self._layout.clear()  # the next update batch has others
            if not done["update/skipped"]:
                self.stage.after_update(step, part, done, update)
            logged.append(done)
        if self.objective.drops_before_updates:
            skipped = {} if logged else {"update/skipped": 1.0}
            logged.append(skipped | {"update/batches": float(len(logged))})
        return {**found, **_averaged(logged)}

    def _warm(
        self, rows: list[Row], batch: RolloutBatch, estimate: Estimate, step: int
    ) -> dict[str, float]:
        """Update the critic alone, on the batches that the policy would learn from."""
        whole = self.critic.aim(self._loss_batch(rows, batch, estimate), batch, estimate)
        logged: list[dict[str, float]] = []
        for part, chosen in enumerate(self._update_batches(whole, step, len(rows))):
            some = [rows[i] for i in chosen.rows.tolist()]
            update = whole.select(chosen.rows)
            micro, totals = self._cut(some, update)
            update = replace(update, totals=totals)
            logged.append(self.critic.update(update, some, micro, step, part))
            self._layout.clear()  # the next update batch has others
        return {**_averaged(logged), "update/skipped": 1.0, "update/warm_start": 1.0}

    def _cut(self, rows: Sequence[Row], update: LossBatch) -> tuple[list[list[int]], Totals]:
        """Return the micro-batches of an update batch, and what its losses are divided by."""
        micro = self._micro_batches(rows, update.groups)
        width = self.rollouts.max_new_tokens
        return micro, totals_of(update.mask, update.groups, width=width, micro_batches=len(micro))

    def _loss_batch(
        self, rows: Sequence[Row], batch: RolloutBatch, estimate: Estimate
    ) -> LossBatch:
        """Return the rows of a step as losses see them, without totals: they are not cut yet.

        The loss compares the engine's log-probs with the trainer's where its own pass is the first
        to know these.
        """
        old = {name: pad([row.extras[name] for row in rows]) for name in self._old_names()}
        whole = LossBatch.of(
            batch,
            advantages=estimate.advantages,
            returns=estimate.returns,
            totals=NOT_COUNTED,
            old_statistics=old,
        )
        if self._corrects:
            whole = self.objective.correct(whole)
        if not self._on_policy or self.recall.filled:
            whole = replace(whole, sampler_logprobs=None)
        return whole

    def _prepared(
        self, update: LossBatch, rows: Sequence[Row], part: int
    ) -> tuple[LossBatch, list[list[int]], int]:
        """Return an update batch with what belongs to all of it, its cut, and its tokens."""
        micro, totals = self._cut(rows, update)
        update = replace(update, totals=totals)
        asked, padded = self.objective.statistics, update.mask.shape[1]
        measured = self.recall.present(rows, part, self.temperature, width=padded) if asked else {}
        return self.objective.prepare(update, measured, self.state), micro, int(totals.tokens)

    def _gradient(
        self,
        rows: Sequence[Row],
        batch: RolloutBatch,
        advantages: Tensor,
        layers: Sequence[int] | None,
    ) -> Gradient:
        """Return the gradient that one update on all rows of a step would have.

        No critic and no demonstration takes part.
        """
        whole = self._loss_batch(rows, batch, Estimate(advantages))
        update, micro, _ = self._prepared(whole, rows, 0)
        losses = self._losses(update, rows, micro, {}, 1.0, alone=True)
        return self.stage.trainee.gradient(losses, batch.step, layers)

    def _update(
        self,
        update: LossBatch,
        rows: list[Row],
        micro: list[list[int]],
        step: int,
        part: int,
        share: float,
    ) -> dict[str, float]:
        """Make one optimizer step on an update batch; without a token to learn from, none."""
        taught = demonstration_rows(self.rollouts, self.objective.imitation.rows)
        if update.totals.tokens == 0 and not taught:
            return {"update/skipped": 1.0}
        metrics: Metrics = {}

        def losses() -> Iterator[Tensor]:
            yield from self._losses(update, rows, micro, metrics, share)
            if taught:
                yield from taught_losses(
                    self.objective.imitation.loss,
                    taught,
                    self.policy,
                    metrics,
                    token_budget=self.parts.execution.micro_batch_tokens,
                    width=update.totals.width,
                    temperature=self.temperature,
                    keys=(self.seed, step, self.stage.steps),
                )

        done = self.stage.trainee.update(losses(), step, part)
        done |= self.critic.update(update, rows, micro, step, part)
        numbers = {name: metric.value() for name, metric in merged(metrics).items()}
        return {**done, **numbers, "update/skipped": 0.0}

    @property
    def _corrects(self) -> bool:
        """Return whether this step's rows are weighed by how the trainer's model finds them."""
        return self._may_correct and self._on_policy

    def _old_names(self) -> tuple[str, ...]:
        return tuple(self.objective.old_statistics) if self._on_policy else ()

    def _update_batches(self, batch: LossBatch, step: int, sampled: int) -> Iterator[UpdateRows]:
        """Yield the rows of each update, prompt after prompt in an order keyed by the step.

        ``sampled`` is how many rows there were before some were repeated.
        """
        groups, updates = batch.groups, self.training.updates_per_step
        for epoch in range(self.training.epochs_per_step):
            drawn = generator("updates", self.seed, step, epoch).permutation(int(groups.max()) + 1)
            order = torch.from_numpy(drawn)
            if not self.objective.drops_before_updates:
                yield from cut_prompts(groups, order, updates)
                continue
            kept = batch.mask.sum(-1) > 0
            yield from cut_kept(
                groups,
                kept,
                order,
                updates,
                whole_groups=self.objective.whole_groups,
                rows_of_step=sampled,
            )

    def _losses(
        self,
        update: LossBatch,
        rows: Sequence[Row],
        micro: list[list[int]],
        metrics: Metrics,
        share: float,
        *,
        alone: bool = False,
    ) -> Iterator[Tensor]:
        """Yield the loss of each micro-batch of this rank; all add to ``share`` of the batch's.

        ``alone`` leaves out the critic's.
        """
        budget = self.parts.execution.micro_batch_tokens
        for part in deal(micro):
            chosen = [rows[i] for i in part.rows]
            width = max(len(row.tokens) for row in chosen)
            small = micro_batch(update, part.rows, width, self.policy.device)
            laid_out = self._layout(chosen, budget, self.policy, *self.critic.models)
            passed = forward(self.policy, laid_out, self.temperature)
            if self._on_policy and not self.recall.filled:
                small = replace(small, old_logprobs=passed.logprobs.detach())
            loss = self.objective.loss(small, passed, self.state)
            found = dict(loss.metrics)
            if self.parts.execution.entropy:
                with torch.no_grad():
                    own = (
                        small.mask
                        if small.off_policy is None
                        else small.mask * (small.off_policy == 0)
                    )
                    found["policy/entropy"] = token_metric(passed.entropy(), own)
            total = share * loss.total
            if not alone:
                total = total + self.critic.beside(passed, small, found)
            yield part.loss(total, found, metrics)

    def _micro_batches(self, rows: Sequence[Row], groups: Tensor | None = None) -> list[list[int]]:
        aligned = groups.tolist() if groups is not None and self.objective.whole_groups else None
        budget = self.parts.execution.micro_batch_tokens
        return self._layout.cut(rows, budget, self.policy, *self.critic.models, groups=aligned)


def _averaged(logged: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return each number of some updates, averaged over those that have it."""
    names = dict.fromkeys(name for one in logged for name in one)
    return {
        name: sum(one[name] for one in logged if name in one) / sum(name in one for one in logged)
        for name in names
    }
