"""The policy-gradient objective: parts for each step from rewards to a loss.

``shape`` (rewards and masks) and ``estimate`` (advantages) see all rows of a step; ``loss`` sees a
micro-batch and the totals of its update batch, and adds over micro-batches:

    L = Σ_{i,t} w_it · rollout_weight_it · policy_loss_it  +  Σ_regularizers Σ_{i,t} w_it · term_it

with the weights w of the aggregation; the rollout weights are those of ``mismatch``. Of a policy
loss without a token form they multiply the gradient at each token's log-prob. A preset chooses
other parts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from etude.component import Rule, component, slot, slots
from etude.errors import ConfigError, Fault, StageError
from etude.objective.batch import Forward, LossBatch, MaskedForward, RolloutBatch, totals_of
from etude.objective.critic.kind import Critic
from etude.objective.loss import (
    Estimate,
    Loss,
    Metric,
    Metrics,
    ScalarLoss,
    TokenLoss,
    add_metrics,
    aggregate,
    token_metric,
)
from etude.objective.mismatch.kind import Mismatch, WeightedForward, measured, sampled_tokens
from etude.objective.parts import (
    Advantage,
    Aggregation,
    Auxiliary,
    ExtraUpdate,
    GroupFilter,
    Guidance,
    Imitation,
    Masking,
    Modifier,
    Part,
    PartState,
    PolicyLoss,
    Regularizer,
    Selection,
    Shaping,
)
from etude.primitives.masked import as_float, keep, row_mean
from etude.primitives.ratio import log_ratio, token_ratio


@dataclass
class ObjectiveState:
    """The mutable state of an objective's parts, by ``slot`` or ``slot.part``."""

    parts: dict[str, PartState] = field(default_factory=dict)

    @classmethod
    def among(cls, live: Mapping[str, Any], path: str = "objective") -> ObjectiveState:
        """Return the states of an objective's parts among all that a stage keeps, by path."""
        head = f"{path}."
        return cls({key.removeprefix(head): live[key] for key in live if key.startswith(head)})

    def of(self, key: str) -> PartState | None:
        """Return the state of one part, None when it has none."""
        return self.parts.get(key)


@component()
@dataclass(frozen=True)
class PolicyGradient:
    """Samples answers, rewards them, and raises the probability of the better ones."""

    learner: ClassVar[str] = "policy_gradient"
    reads: ClassVar[tuple[str, ...]] = (
        "model",
        "models",
        "objective",
        "data_mix",
        "verifier",
        "reward_weighting",
        "curriculum",
        "rollout",
        "optimizer",
        "training",
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "stage.rollout.temperature > 0",
            "is {stage.rollout.temperature}: answers that are learned from are drawn, and their "
            "log-probs need a temperature above 0 (1.0 is usual). Greedy answers to held-out "
            "problems: evaluation.greedy=true",
        ),
        Rule(
            "stage.training.updates_per_step <= stage.training.prompts_per_step",
            "is {stage.training.updates_per_step}: the {stage.training.prompts_per_step} prompts "
            "of a rollout batch (training.prompts_per_step) cannot be cut into so many updates.",
        ),
    )

    guidance: Guidance = slot("none", "how a step's groups come about: hints, demonstrations")
    shaping: Mapping[str, Shaping] = slots(doc="changes to rewards before advantages")
    filter: GroupFilter = slot("none", "which prompt groups are trained on")
    masking: Mapping[str, Masking] = slots(doc="rows and tokens taken out of the loss")
    advantage: Advantage = slot("grpo", "how rewards become advantages")
    critic: Critic = slot("none", "what predicts the rewards to come, for advantages that ask")
    selection: Mapping[str, Selection] = slots(doc="rows and tokens taken out after advantages")
    policy_loss: PolicyLoss = slot("clipped", "what is minimised for every token")
    mismatch: Mismatch = slot(
        "none", "what undoes the difference between the engine's log-probs and the trainer's"
    )
    modifier: Mapping[str, Modifier] = slots(doc="changes to single token losses")
    aggregation: Aggregation = slot("token_mean", "how token losses become one number")
    regularizer: Mapping[str, Regularizer] = slots(doc="terms added to the loss (kl, entropy)")
    auxiliary: Mapping[str, Auxiliary] = slots(doc="losses beside the policy loss")
    imitation: Imitation = slot("none", "demonstrations that join every update")
    extra_update: Mapping[str, ExtraUpdate] = slots(doc="updates after the main one of a step")

    def parts(self) -> dict[str, Part]:
        """Return every part by ``slot`` or ``slot.part``."""
        found: dict[str, Part] = {}
        for f in dataclasses.fields(self):
            value = getattr(self, f.name)
            if isinstance(value, Part):
                found[f.name] = value
            elif f.metadata.get("slot") == "many":
                found.update({f"{f.name}.{key}": part for key, part in value.items()})
        return found

    @property
    def whole_groups(self) -> bool:
        """Return whether micro-batches must hold all rows of a prompt."""
        return any(part.whole_groups for part in self.parts().values())

    @property
    def drops_before_updates(self) -> bool:
        """Return whether what selections drop leaves before the step is cut into updates."""
        return any(part.before_updates for part in self.selection.values())

    @property
    def reads_old_logprobs(self) -> bool:
        """Return whether a part reads the sampling policy's log-probs before the update."""
        parts = self.parts().values()
        return any(part.reads_old_logprobs or part.old_statistics for part in parts)

    @property
    def statistics(self) -> tuple[str, ...]:
        """Return what parts read of the present policy over an update batch before it is cut."""
        return tuple(sorted({name for part in self.parts().values() for name in part.statistics}))

    @property
    def old_statistics(self) -> tuple[str, ...]:
        """Return what parts read of the sampling policy's distributions."""
        parts = self.parts().values()
        return tuple(sorted({name for part in parts for name in part.old_statistics}))

    def make_state(self) -> ObjectiveState:
        """Return the state of the parts at the start of a stage."""
        made = {key: part.make_state() for key, part in self.parts().items()}
        return ObjectiveState({key: state for key, state in made.items() if state is not None})

    def shape(
        self, batch: RolloutBatch, state: ObjectiveState | None = None
    ) -> tuple[RolloutBatch, dict[str, float]]:
        """Return the batch with shaped rewards and the mask of the loss, and numbers for the log.

        Call once a step: stateful parts (an adaptive KL coefficient) move on. ``state`` None is
        the state at the start of a stage.
        """
        state = state or self.make_state()
        metrics: dict[str, float] = {}
        for key, shaping in self.shaping.items():
            batch, numbers = shaping.shape(batch, state.of(f"shaping.{key}"))
            metrics |= numbers
        return self._masked(batch, metrics), metrics

    def terms(
        self, batch: RolloutBatch, state: ObjectiveState | None = None
    ) -> tuple[RolloutBatch, dict[str, RolloutBatch], dict[str, float]]:
        """Return the masked batch, what each shaping adds to it alone, and numbers for the log.

        A term is the batch with that shaping's rewards and no others. Like :meth:`shape` it moves
        stateful parts on.
        """
        state = state or self.make_state()
        metrics: dict[str, float] = {}
        empty = dataclasses.replace(
            batch,
            rewards=torch.zeros_like(batch.rewards),
            token_rewards=torch.zeros_like(batch.token_rewards),
        )
        found = {}
        for key, shaping in self.shaping.items():
            term, numbers = shaping.shape(empty, state.of(f"shaping.{key}"))
            found[key] = term
            metrics |= numbers
        masked = self._masked(batch, metrics)
        found = {key: dataclasses.replace(term, mask=masked.mask) for key, term in found.items()}
        return masked, found, metrics

    def _masked(self, batch: RolloutBatch, metrics: dict[str, float]) -> RolloutBatch:
        """Return a batch without what is masked, and say in ``metrics`` how many rows are."""
        for masking in self.masking.values():
            batch = dataclasses.replace(batch, mask=masking.mask(batch))
        if self.masking:
            metrics["objective/masked_rows"] = float((batch.mask.sum(-1) == 0).float().mean())
        return batch

    def estimate(self, batch: RolloutBatch, state: ObjectiveState | None = None) -> Estimate:
        """Return advantages ``[N, T]`` with returns and metrics, of a batch that was shaped."""
        state = state or self.make_state()
        estimate = self.advantage.estimate(batch, state.of("advantage"))
        extremes = advantage_extremes(estimate.advantages, batch.mask)
        return dataclasses.replace(estimate, metrics=extremes | dict(estimate.metrics))

    def advantages(self, batch: RolloutBatch, state: ObjectiveState | None = None) -> Tensor:
        """Return the advantages of every token, ``[N, T]``, detached and 0 off the mask."""
        return self.estimate(batch, state).advantages

    def select(
        self, batch: RolloutBatch, advantages: Tensor, state: ObjectiveState | None = None
    ) -> tuple[Tensor, dict[str, float]]:
        """Return how often each token is trained on, ``[N, T]``, and numbers for the log."""
        state = state or self.make_state()
        before = batch.mask
        for key, selection in self.selection.items():
            chosen = selection.select(batch, advantages, state.of(f"selection.{key}"))
            if chosen.dim() == 1:
                chosen = _counts(chosen, key, len(before)).to(before.dtype).unsqueeze(-1)
            batch = dataclasses.replace(batch, mask=batch.mask * chosen)
        if not self.selection:
            return batch.mask, {}
        counts = batch.mask.amax(-1) if batch.mask.numel() else batch.mask.sum(-1)
        repeated = {}
        if bool((counts > 1).any()):
            repeated["objective/repeated_rows"] = float((counts - 1).clamp(min=0).sum()) / float(
                counts.sum()
            )
        rows = (batch.mask.sum(-1) > 0).double().mean()
        return batch.mask, repeated | {
            "objective/selected_tokens": float(batch.mask.sum()) / max(float(before.sum()), 1.0),
            "objective/selected_rows": float(rows),
            "objective/advantage_variance": _row_variance(advantages, before),
            "objective/selected_advantage_variance": _row_variance(advantages, batch.mask),
        }

    def prepare(
        self,
        batch: LossBatch,
        statistics: Mapping[str, Tensor],
        state: ObjectiveState | None = None,
    ) -> LossBatch:
        """Return the update batch with what parts must know of all of it, before it is cut.

        ``statistics`` are those that :attr:`statistics` names, ``[N, T]``, without gradient. Totals
        are counted anew where a part changed the mask.
        """
        state = state or self.make_state()
        mask = batch.mask
        for key, part in self.parts().items():
            if part.reads_clipped and "clipped" not in batch.marks:
                batch = self._mark_clipped(batch, statistics["logprobs"])
            batch = part.prepare(batch, statistics, state.of(key))
        if batch.mask is mask:
            return batch
        totals = totals_of(
            batch.mask,
            batch.groups,
            width=batch.totals.width,
            micro_batches=batch.totals.micro_batches,
        )
        share = batch.mask.double().sum() / mask.double().sum().clamp(min=1)
        return dataclasses.replace(batch, totals=totals).mark("kept_tokens", share)

    def _mark_clipped(self, batch: LossBatch, logprobs: Tensor) -> LossBatch:
        clean = batch.clean()
        known = keep(as_float(logprobs), clean.mask)
        return batch.mark("clipped", self.policy_loss.clipped_tokens(clean, known))

    def observe(self, metrics: Mapping[str, float], state: ObjectiveState) -> None:
        """Let stateful parts learn from the metrics of a finished step."""
        for key, part in self.parts().items():
            part.observe(metrics, state.of(key))

    def correct(self, batch: LossBatch) -> LossBatch:
        """Return the rows of a step with what undoes the mismatch between sampler and trainer.

        Totals are not counted yet. Raises DataError when the engine's log-probs are missing.
        """
        return self.mismatch.correct(batch)

    def measure(self, batch: RolloutBatch, *, corrected: bool) -> dict[str, float]:
        """Return how far the sampler's log-probs lie from the trainer's, over a whole step."""
        metrics = measured(batch)
        if corrected:
            outside = self.mismatch.outside(batch)
            metrics["mismatch/outside"] = token_metric(outside, sampled_tokens(batch))
        return {name: metric.value() for name, metric in metrics.items()}

    def loss(self, batch: LossBatch, forward: Forward, state: ObjectiveState | None = None) -> Loss:
        """Return the loss of a micro-batch; summed over the update batch it is the batch's loss."""
        state = state or self.make_state()
        batch = batch.clean()
        forward = MaskedForward(forward, batch.mask)
        weights = self.aggregation.weights(batch.mask, batch.totals, batch.groups)
        policy = self.policy_loss.loss(batch, forward)
        if isinstance(policy, ScalarLoss) and batch.rollout_weights is not None:
            weighted = WeightedForward(forward.forward, batch.mask, batch.rollout_weights)
            policy = self.policy_loss.loss(batch, weighted)
        metrics = dict(policy.metrics) | measured(batch)
        metrics["objective/approx_kl"] = token_metric(
            -log_ratio(forward.logprobs, batch.old_logprobs), batch.mask
        )
        for name, mark in batch.marks.items():
            if mark.dim() == 0:
                metrics[f"objective/{name}"] = Metric(mark, torch.ones_like(mark))
        total = self._policy_total(policy, batch, forward, weights, state, metrics)
        total = total * self.imitation.policy_weight(batch.step)
        for key, regularizer in self.regularizer.items():
            if regularizer.active:
                term = regularizer.loss(batch, forward, state.of(f"regularizer.{key}"))
                total = total + aggregate(term.loss, weights)
                metrics = add_metrics(metrics, term.metrics)
        for key, auxiliary in self.auxiliary.items():
            own = auxiliary.loss(batch, forward, state.of(f"auxiliary.{key}"))
            total = total + own.loss
            metrics = add_metrics(metrics, own.metrics)
        return Loss(total, metrics)

    def _policy_total(
        self,
        policy: TokenLoss | ScalarLoss,
        batch: LossBatch,
        forward: Forward,
        weights: Tensor,
        state: ObjectiveState,
        metrics: dict[str, Any],
    ) -> Tensor:
        if isinstance(policy, ScalarLoss):
            self._refuse_token_parts()
            return policy.loss
        for key, modifier in self.modifier.items():
            policy = modifier.modify(policy, batch, forward, state.of(f"modifier.{key}"))
        metrics |= policy.metrics
        if batch.moved is not None:
            metrics |= moved_metrics(policy, batch, forward)
        tokens = policy.loss
        if batch.rollout_weights is not None:
            tokens = tokens * batch.rollout_weights
            metrics["objective/rollout_weight"] = token_metric(batch.rollout_weights, batch.mask)
        metrics["objective/policy_loss"] = token_metric(tokens, batch.mask)
        return aggregate(tokens, weights)

    def _refuse_token_parts(self) -> None:
        loss = type(self.policy_loss).__name__
        faults = [
            Fault(f"objective/modifier={key}", f"changes token losses, and {loss} has none.")
            for key in self.modifier
        ]
        if faults:
            raise ConfigError(faults)


def _counts(counts: Tensor, key: str, rows: int) -> Tensor:
    """Return how often rows count; raises StageError where that is no whole number for each."""
    if counts.shape != (rows,) or bool((counts < 0).any() | (counts != counts.round()).any()):
        raise StageError(
            f"objective.selection.{key} returned {counts.tolist()} for {rows} rows; it returns how "
            f"often each row counts, a tensor [{rows}] of 0, 1, 2, …, or a mask of tokens"
        )
    return counts


def advantage_extremes(advantages: Tensor, mask: Tensor) -> dict[str, float]:
    """Return the least and the greatest advantage of a token that is trained."""
    counted = advantages[mask > 0]
    return {
        "objective/advantage_min": float(counted.min()) if counted.numel() else 0.0,
        "objective/advantage_max": float(counted.max()) if counted.numel() else 0.0,
    }


def moved_metrics(tokens: TokenLoss, batch: LossBatch, forward: Forward) -> Metrics:
    """Return ratio and clipped share of the rows trained in another context than sampled in."""
    assert batch.moved is not None  # narrows the type; the caller has looked
    counted = batch.mask * batch.moved.to(batch.mask).unsqueeze(-1)
    ratio = token_ratio(forward.logprobs, batch.old_logprobs)
    metrics = {"objective/moved_ratio": token_metric(ratio, counted)}
    if tokens.clipped is not None:
        metrics["objective/moved_clip_fraction"] = token_metric(tokens.clipped, counted)
    return metrics


def _row_variance(advantages: Tensor, mask: Tensor) -> float:
    """Return the population variance of the mean advantages of rows that have tokens."""
    rows = row_mean(advantages.double(), mask.double())[mask.sum(-1) > 0]
    return float(rows.var(correction=0)) if rows.numel() else 0.0
