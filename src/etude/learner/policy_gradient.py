"""Policy gradient: sample answers, have them judged, and move towards the better ones.

The step reads as a list; each line is one method below or one part of the objective.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from etude.distributed.dealing import cut, deal, merged
from etude.learner.clock import Clock
from etude.learner.critic import open_critic
from etude.learner.extra import ExtraUpdates
from etude.learner.forward import forward, score
from etude.learner.interface import StepResult, Tree
from etude.learner.make import StageContext
from etude.learner.microbatch import collate
from etude.learner.parts import StageParts
from etude.learner.recall import Recall
from etude.learner.report import group_metrics, guidance_metrics, row_metrics, sample_record
from etude.learner.rollouts import Rollouts
from etude.learner.taught import demonstration_rows, taught_losses
from etude.learner.tensors import micro_batch, pad, rollout_batch, row_seeds
from etude.learner.trainee import Trainee
from etude.objective.batch import LossBatch, RolloutBatch, totals_of
from etude.objective.loss import Estimate, Metrics
from etude.randomness import generator
from etude.rows import Row

Groups = list[list[Row]]


class PolicyGradientLearner:
    """Trains a policy on the rewards of its own answers."""

    def __init__(self, parts: StageParts, context: StageContext) -> None:
        self.parts = parts
        self.context = context
        self.objective = parts.objective
        self.training = parts.training
        self.steps: int = parts.training.steps
        self.seed = context.seed
        self.policy = parts.policy(context.start, context.seed)
        self.critic = open_critic(parts, context, self.policy)
        self.trainee = Trainee(
            self.policy,
            parts.optimizer,
            self.steps,
            parts.training.gradient_clip,
            context.seed,
            head=self.critic.shared,
        )
        self.reference = parts.reference(context)
        self.temperature: float = parts.rollout.temperature
        self.state = self.objective.make_state()
        self.curriculum = parts.curriculum.make_state()
        self.rollouts = Rollouts(parts, context, self.policy)
        self.recall = Recall(self.policy, self.objective, parts.execution.micro_batch_tokens)
        self.extra = ExtraUpdates(parts, self.policy, self.state, context.seed)

    def step(self, step: int) -> StepResult:
        """Sample the prompts of one step, reward the answers, and update the policy on them."""
        clock = Clock()
        plan = self.curriculum.plan(step)
        self.temperature = plan.temperature or self.parts.rollout.temperature
        with clock.phase("rollout"):
            gathered = self.rollouts.gather(step, plan, self.state.of("guidance"))
        collected = self.extra.collect(gathered.judged, gathered.sampler)
        trained = self.learn(gathered.groups, step, clock)
        with clock.phase("update"):
            extra = self.extra.update(step, self.temperature)
        self.rollouts.sync(self.policy)
        self.curriculum.observe(step, gathered.sampled)

        metrics = {
            **row_metrics(gathered.sampled, self.parts.reward_weighting.weights),
            **group_metrics(gathered.judged),
            **guidance_metrics(gathered.counts, gathered.demonstrated),
            "groups/rounds": float(gathered.rounds),
            **trained,
            **collected,
            **extra,
        }
        tokens = sum(len(row.tokens) for row in gathered.sampled)
        shown = [row for group in gathered.groups for row in group][: self.parts.execution.samples]
        return StepResult(metrics, [sample_record(row) for row in shown], clock.timing(tokens))

    def learn(self, groups: Groups, step: int, clock: Clock) -> dict[str, float]:
        """Update the policy on rewarded groups and return what the log wants."""
        with clock.phase("logprobs"):
            self._old_and_reference_logprobs(groups)
        batch, shaped = self.objective.shape(self._batch(groups, step), self.state)
        estimate = self.objective.estimate(batch, self.state)
        mask, selected = self.objective.select(batch, estimate.advantages, self.state)
        with clock.phase("update"):
            trained = self._train(groups, replace(batch, mask=mask), estimate, step)
        self.objective.observe(trained, self.state)
        return {**shaped, **estimate.metrics, **selected, **trained}

    def _batch(self, groups: Groups, step: int) -> RolloutBatch:
        limit = self.parts.rollout.max_new_tokens
        batch = rollout_batch(groups, limit, seed=self.seed, step=step, steps=self.steps)
        return self.critic.assess(batch, [row for group in groups for row in group])

    def _old_and_reference_logprobs(self, groups: Groups) -> None:
        """Fill in the log-probs of the policy at sampling and of the reference, where needed.

        With one update a step the trained policy is the sampling policy, so the loss's own forward
        pass gives the old log-probs and no pass is spent on them here. Where another model samples,
        the old log-probs are that model's; tokens that nobody sampled have those of this policy.
        """
        rows = [row for group in groups for row in group]
        self.recall.clear()
        if self.rollouts.on_policy and self._old_pass_needed(rows):
            self.recall.fill(rows, self.temperature)
        elif not self.rollouts.on_policy and self.objective.reads_old_logprobs:
            self.recall.fill_given(rows, self.temperature)
        if self.reference is not None:
            budget = self.parts.execution.micro_batch_tokens
            known = score(self.reference, rows, temperature=self.temperature, token_budget=budget)
            for row, values in zip(rows, known, strict=True):
                row.reference_logprobs = values

    def _old_pass_needed(self, rows: Sequence[Row]) -> bool:
        return (
            self.training.updates_per_step * self.training.epochs_per_step > 1
            or self.objective.rollout_correction is not None
            or self.objective.reads_old_logprobs
            or bool(self.objective.statistics)
            or any(row.prompt != row.sampled_prompt for row in rows)
        )

    def _train(
        self, groups: Groups, batch: RolloutBatch, estimate: Estimate, step: int
    ) -> dict[str, float]:
        """Update on every batch of every epoch; return metrics averaged over the updates."""
        rows = [row for group in groups for row in group]
        old = {name: pad([row.extras[name] for row in rows]) for name in self._old_names()}
        whole = LossBatch(
            old_logprobs=batch.old_logprobs,
            advantages=estimate.advantages,
            mask=batch.mask,
            groups=batch.groups,
            row_seeds=row_seeds(rows, self.seed, step),
            step=step,
            steps=self.steps,
            totals=totals_of(batch.mask, batch.groups, width=batch.width),
            reference_logprobs=batch.reference_logprobs,
            off_policy=batch.off_policy,
            moved=batch.moved,
            rollout_weights=self.objective.rollout_weights(batch),
            values=batch.values,
            returns=estimate.returns,
            token_rewards=batch.token_rewards,
            rewards=batch.rewards,
            lengths=batch.lengths,
            parts=batch.parts,
            old_statistics=old,
        )
        whole = self.critic.aim(whole, batch, estimate)
        logged: list[dict[str, float]] = []
        for part, chosen in enumerate(self._update_batches(batch.groups, step)):
            some = [rows[i] for i in chosen.tolist()]
            update = whole.select(chosen)
            micro = self._micro_batches(some, update.groups)
            totals = totals_of(
                update.mask, update.groups, width=batch.width, micro_batches=len(micro)
            )
            update = replace(update, totals=totals)
            asked = self.objective.statistics
            width = update.mask.shape[1]
            measured = (
                self.recall.present(some, part, self.temperature, width=width) if asked else {}
            )
            update = self.objective.prepare(update, measured, self.state)
            logged.append(self._update(update, some, micro, step, part))
        names = dict.fromkeys(name for one in logged for name in one)
        return {
            name: sum(one[name] for one in logged if name in one)
            / sum(name in one for one in logged)
            for name in names
        }

    def _update(
        self, update: LossBatch, rows: list[Row], micro: list[list[int]], step: int, part: int
    ) -> dict[str, float]:
        """Make one optimizer step on an update batch; without a token to learn from, none."""
        taught = demonstration_rows(self.rollouts, self.objective.imitation.rows)
        if update.totals.tokens == 0 and not taught:
            return {"update/skipped": 1.0}
        metrics: Metrics = {}

        def losses() -> Iterator[Tensor]:
            yield from self._losses(update, rows, micro, metrics)
            if taught:
                yield from taught_losses(
                    self.objective.imitation.loss,
                    taught,
                    self.policy,
                    metrics,
                    token_budget=self.parts.execution.micro_batch_tokens,
                    width=update.totals.width,
                    temperature=self.temperature,
                    keys=(self.seed, step, self.steps),
                )

        done = self.trainee.update(losses(), step, part)
        done |= self.critic.update(update, rows, micro, step, part)
        numbers = {name: metric.value() for name, metric in merged(metrics).items()}
        return {**done, **numbers, "update/skipped": 0.0}

    def _old_names(self) -> tuple[str, ...]:
        return tuple(self.objective.old_statistics) if self.rollouts.on_policy else ()

    def _update_batches(self, groups: Tensor, step: int) -> Iterator[Tensor]:
        """Yield the row numbers of each update, whole groups in an order keyed by the step."""
        count = int(groups.max()) + 1
        for epoch in range(self.training.epochs_per_step):
            order = generator("updates", self.seed, step, epoch).permutation(count)
            batches = min(self.training.updates_per_step, count)
            for part in torch.tensor_split(torch.from_numpy(order), batches):
                yield torch.isin(groups, part).nonzero().squeeze(-1)

    def _losses(
        self, update: LossBatch, rows: Sequence[Row], micro: list[list[int]], metrics: Metrics
    ) -> Iterator[Tensor]:
        """Yield the loss of each micro-batch of this rank; those of all add to the batch's."""
        for part in deal(micro):
            chosen = [rows[i] for i in part.rows]
            width = max(len(row.tokens) for row in chosen)
            small = micro_batch(update, part.rows, width, self.policy.device)
            passed = forward(
                self.policy, collate(chosen, pad_id=self.policy.pad_id), self.temperature
            )
            if self.rollouts.on_policy and not self.recall.filled:
                small = replace(small, old_logprobs=passed.logprobs.detach())
            loss = self.objective.loss(small, passed, self.state)
            found = dict(loss.metrics)
            total = loss.total + self.critic.beside(passed, small, found)
            yield part.loss(total, found, metrics)

    def _micro_batches(self, rows: Sequence[Row], groups: Tensor | None = None) -> list[list[int]]:
        lengths = [len(row.prompt) + len(row.tokens) for row in rows]
        aligned = groups.tolist() if groups is not None and self.objective.whole_groups else None
        return cut(lengths, self.parts.execution.micro_batch_tokens, aligned)

    def evaluate(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Measure the policy as it stands on the held-out rows; changes no state."""
        return self.parts.evaluate(self.policy.replica(), self.context)

    def state_dict(self) -> Tree:
        """Return all that a resumed stage needs."""
        return {
            "trainee": self.trainee.state_dict(),
            "objective": self.state.state_dict(),
            "curriculum": self.curriculum.state_dict(),
            "stream": self.rollouts.stream.state_dict(),
            "extra": self.extra.state_dict(),
            "critic": self.critic.state_dict(),
        }

    def load_state_dict(self, state: Tree) -> None:
        """Restore what :meth:`state_dict` returned, to the bit."""
        self.trainee.load_state_dict(state["trainee"])
        self.state.load_state_dict(state["objective"])
        self.curriculum.load_state_dict(state["curriculum"])
        self.rollouts.stream.load_state_dict(state["stream"])
        self.extra.load_state_dict(state["extra"])
        self.critic.load_state_dict(state["critic"])
        self.rollouts.sync(self.policy)

    def export(self, folder: Path) -> None:
        """Write the model in Hugging Face format to ``folder/model``, a critic beside it."""
        self.policy.save(folder / "model")
        self.critic.export(folder)

    def close(self) -> None:
        """End the engine and the verifier's workers."""
        self.rollouts.close()
