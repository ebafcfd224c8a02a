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

from etude.learner.clock import Clock
from etude.learner.forward import collate, forward, split
from etude.learner.interface import StepResult, Tree
from etude.learner.make import StageContext
from etude.learner.parts import StageParts
from etude.learner.report import group_metrics, row_metrics, sample_record
from etude.learner.rollouts import Rollouts
from etude.learner.tensors import rollout_batch, row_seeds
from etude.learner.trainee import Trainee
from etude.objective.batch import LossBatch, RolloutBatch, totals_of
from etude.objective.loss import Metrics, add_metrics
from etude.randomness import generator
from etude.rows import Row

Groups = list[list[Row]]


class PolicyGradientLearner:
    """Trains a policy on the rewards of its own answers."""

    def __init__(self, parts: StageParts, context: StageContext) -> None:
        self.parts = parts
        self.objective = parts.objective
        self.training = parts.training
        self.steps: int = parts.training.steps
        self.seed = context.seed
        self.policy = parts.policy(context.start, context.seed)
        self.trainee = Trainee(
            self.policy, parts.optimizer, self.steps, parts.training.gradient_clip
        )
        self.reference = parts.reference(context)
        self.state = self.objective.make_state()
        self.curriculum = parts.curriculum.make_state()
        self.stream = parts.data_mix.open(parts.sources, context.seed, context.data)
        self.engine = parts.rollout.engine(self.policy)
        self.judge = parts.verifier.open(parts.execution.verifier_workers)
        self.rollouts = Rollouts(
            parts,
            policy=self.policy,
            stream=self.stream,
            engine=self.engine,
            judge=self.judge,
            seed=context.seed,
        )

    def step(self, step: int) -> StepResult:
        """Sample the prompts of one step, reward the answers, and update the policy on them."""
        clock = Clock()
        plan = self.curriculum.plan(step)
        with clock.phase("rollout"):
            gathered = self.rollouts.gather(step, plan)
        groups = gathered.groups
        with clock.phase("logprobs"):
            self._old_and_reference_logprobs(groups)
        batch, shaped = self.objective.shape(
            rollout_batch(groups, self.parts.rollout.max_new_tokens), self.state
        )
        estimate = self.objective.estimate(batch, self.state)
        with clock.phase("update"):
            trained = self._train(groups, batch, estimate.advantages, step)
        self.engine.sync(self.policy)
        self.curriculum.observe(step, gathered.sampled)

        metrics = {
            **row_metrics(gathered.sampled, self.parts.reward_weighting.weights),
            **group_metrics(_in_groups(gathered.sampled, self.training.rollouts_per_prompt)),
            "groups/rounds": float(gathered.rounds),
            **shaped,
            **estimate.metrics,
            **trained,
        }
        tokens = sum(len(row.tokens) for row in gathered.sampled)
        shown = [row for group in groups for row in group][: self.parts.execution.samples]
        return StepResult(metrics, [sample_record(row) for row in shown], clock.timing(tokens))

    def _old_and_reference_logprobs(self, groups: Groups) -> None:
        """Fill in the log-probs of the policy at sampling and of the reference, where needed.

        With one update a step the trained policy is the sampling policy, so the loss's own forward
        pass gives the old log-probs and no pass is spent on them here.
        """
        rows = [row for group in groups for row in group]
        if self._old_pass_needed():
            for row, values in zip(rows, self._teacher_forced(self.policy, rows), strict=True):
                row.old_logprobs = values
        if self.reference is not None:
            for row, values in zip(rows, self._teacher_forced(self.reference, rows), strict=True):
                row.reference_logprobs = values

    def _old_pass_needed(self) -> bool:
        several = self.training.updates_per_step * self.training.epochs_per_step > 1
        return several or bool(self.objective.shaping) or self.objective.rollout_correction is not None

    @torch.no_grad()
    def _teacher_forced(self, policy: Any, rows: Sequence[Row]) -> list[list[float]]:
        """Return the log-probs ``policy`` gives the rows' tokens, at the sampling temperature."""
        found: list[list[float]] = [[] for _ in rows]
        for part in self._micro_batches(rows):
            with self.trainee.precision():
                logprobs = self._forward(policy, [rows[i] for i in part]).logprobs.cpu()
            for i, values in zip(part, logprobs, strict=True):
                found[i] = values[: len(rows[i].tokens)].tolist()
        return found

    def _train(
        self, groups: Groups, batch: RolloutBatch, advantages: Tensor, step: int
    ) -> dict[str, float]:
        """Update on every batch of every epoch; return metrics averaged over the updates."""
        rows = [row for group in groups for row in group]
        whole = LossBatch(
            old_logprobs=batch.old_logprobs,
            advantages=advantages,
            mask=batch.mask,
            groups=batch.groups,
            row_seeds=row_seeds(rows, self.seed, step),
            step=step,
            totals=totals_of(batch.mask, batch.groups, width=batch.width),
            reference_logprobs=batch.reference_logprobs,
            rollout_weights=self.objective.rollout_weights(batch),
        )
        logged: list[dict[str, float]] = []
        for chosen in self._update_batches(batch.groups, step):
            update = whole.select(chosen)
            micro = self._micro_batches([rows[i] for i in chosen.tolist()], update.groups)
            totals = totals_of(
                update.mask, update.groups, width=batch.width, micro_batches=len(micro)
            )
            update = replace(update, totals=totals)
            metrics: Metrics = {}
            losses = self._losses(update, [rows[i] for i in chosen.tolist()], micro, metrics)
            done = self.trainee.update(losses, step)
            logged.append(done | {name: metric.value() for name, metric in metrics.items()})
        return {name: sum(one[name] for one in logged) / len(logged) for name in logged[0]}

    def _update_batches(self, groups: Tensor, step: int) -> Iterator[Tensor]:
        """Yield the row numbers of each update, whole groups in an order keyed by the step."""
        count = int(groups.max()) + 1
        for epoch in range(self.training.epochs_per_step):
            order = torch.from_numpy(generator("updates", self.seed, step, epoch).permutation(count))
            for part in torch.tensor_split(order, min(self.training.updates_per_step, count)):
                yield torch.isin(groups, part).nonzero().squeeze(-1)

    def _losses(
        self, update: LossBatch, rows: Sequence[Row], micro: list[list[int]], metrics: Metrics
    ) -> Iterator[Tensor]:
        """Yield the loss of each micro-batch; their sum is the loss of the update batch."""
        for part in micro:
            chosen = [rows[i] for i in part]
            width = max(len(row.tokens) for row in chosen)
            small = update.select(torch.tensor(part)).narrow(width).to(self.policy.device)
            with self.trainee.precision():
                passed = self._forward(self.policy, chosen)
                if not self._old_pass_needed():
                    small = replace(small, old_logprobs=passed.logprobs.detach())
                loss = self.objective.loss(small, passed, self.state)
            merged = add_metrics(metrics, loss.metrics)
            metrics.clear()
            metrics.update(merged)
            yield loss.total

    def _micro_batches(self, rows: Sequence[Row], groups: Tensor | None = None) -> list[list[int]]:
        lengths = [len(row.prompt) + len(row.tokens) for row in rows]
        aligned = groups.tolist() if groups is not None and self.objective.whole_groups else None
        return split(lengths, self.parts.execution.micro_batch_tokens, aligned)

    def _forward(self, policy: Any, rows: Sequence[Row]) -> Any:
        return forward(policy, collate(rows, policy), self.parts.rollout.temperature)

    def evaluate(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Measure the policy as it stands on the held-out rows; changes no state."""
        return self.parts.evaluate(self.policy)

    def state_dict(self) -> Tree:
        """Return all that a resumed stage needs."""
        return {
            "trainee": self.trainee.state_dict(),
            "objective": self.state.state_dict(),
            "curriculum": self.curriculum.state_dict(),
            "stream": self.stream.state_dict(),
        }

    def load_state_dict(self, state: Tree) -> None:
        """Restore what :meth:`state_dict` returned, to the bit."""
        self.trainee.load_state_dict(state["trainee"])
        self.state.load_state_dict(state["objective"])
        self.curriculum.load_state_dict(state["curriculum"])
        self.stream.load_state_dict(state["stream"])
        self.engine.sync(self.policy)

    def export(self, folder: Path) -> None:
        """Write the trained model in Hugging Face format to ``folder/model``."""
        self.policy.save(folder / "model")

    def close(self) -> None:
        """End the engine and the verifier's workers."""
        self.engine.close()
        self.judge.close()


def _in_groups(rows: Sequence[Row], size: int) -> Groups:
    return [list(rows[start : start + size]) for start in range(0, len(rows), size)]
