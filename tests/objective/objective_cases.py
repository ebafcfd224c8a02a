"""Presets as composed from their YAML, and random rows to run them on."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from torch import Tensor

from etude import schema
from etude.build import build
from etude.objective.batch import LossBatch, RolloutBatch, place_outcome, totals_of
from etude.objective.loss import Loss, Metrics, add_metrics
from etude.objective.policy_gradient import PolicyGradient
from etude.primitives.distribution import entropy_of, logprobs_of

CONF = Path(schema.__file__).parent / "conf"
WIDTH = 12  # the configured maximum response length, wider than any row here

#: Preset → what its method needs to have signal on the rows of :func:`random_rows`.
SUITED: dict[str, tuple[str, ...]] = {
    # bundles of prompts have as many papers as their smallest group has rows
    "riskpo": ("objective.advantage.bundle_size=2",),
}


@cache
def presets(learner: str) -> tuple[str, ...]:
    """Return the names of the objectives of a learner."""
    known = schema.load().components["objective"]
    return tuple(name for name, info in sorted(known.items()) if info.learner == learner)


@cache
def composed(*overrides: str) -> Any:
    """Return the objective that command-line overrides choose, e.g. ``objective=grpo``."""
    with initialize_config_dir(str(CONF.resolve()), version_base="1.3"):
        config = compose(overrides=[f"+{overrides[0]}", *overrides[1:]])
    node = OmegaConf.to_container(config.objective, resolve=True)
    return build(node, "objective")


def with_everything(objective: PolicyGradient) -> PolicyGradient:
    """Return the objective with KL in loss and reward, an entropy bonus and rollout weights."""
    extra = composed(
        "objective=grpo",
        "objective/regularizer=[kl,entropy]",
        "objective/shaping=[kl_penalty,soft_overlong]",
        "objective/masking=[overlong_filter]",
    )
    return dataclasses.replace(
        objective,
        regularizer=extra.regularizer,
        shaping=extra.shaping,
        masking=extra.masking,
        rollout_correction=2.0,
    )


@dataclass
class Rows:
    """Random rows: a rollout batch, and logits ``[N, T, V]`` that play the policy's parameters."""

    batch: RolloutBatch
    logits: Tensor
    tokens: Tensor

    def reordered(self, order: Tensor) -> Rows:
        """Return the same rows in another order."""
        return Rows(take(self.batch, order), self.logits[order], self.tokens[order])

    def padded(self, columns: int) -> Rows:
        """Return the same rows with more padding, full of numbers that must not be read."""

        def pad(x: Tensor) -> Tensor:
            filler = torch.full((x.shape[0], columns, *x.shape[2:]), 7, dtype=x.dtype)
            return torch.cat([x, filler], 1)

        changed = {
            name: pad(getattr(self.batch, name))
            for name in ("old_logprobs", "reference_logprobs", "sampler_logprobs")
        }
        zeros = self.batch.mask.new_zeros(self.batch.mask.shape[0], columns)
        changed["mask"] = torch.cat([self.batch.mask, zeros], 1)
        changed["token_rewards"] = torch.cat([self.batch.token_rewards, zeros], 1)
        batch = dataclasses.replace(self.batch, **changed)
        return Rows(batch, pad(self.logits), pad(self.tokens) % self.logits.shape[-1])


def take(batch: RolloutBatch, order: Tensor) -> RolloutBatch:
    """Return the rows of a rollout batch in another order."""
    tensors: dict[str, Any] = {
        f.name: value[order]
        for f in dataclasses.fields(batch)
        if isinstance(value := getattr(batch, f.name), Tensor)
    }
    parts = {name: part[order] for name, part in batch.parts.items()}
    return dataclasses.replace(batch, **tensors, parts=parts)


def random_rows(dtype: torch.dtype = torch.float64, seed: int = 0) -> Rows:
    """Return 11 rows in groups of 4, 4, 2 and 1: one all right, one row empty, one truncated."""
    noise = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=noise, dtype=torch.float64).to(dtype)

    lengths = torch.tensor([5, 3, 8, 1, 4, 4, 0, 2, 6, 7, 3])
    rows, width, vocabulary = len(lengths), 8, 5
    mask = (torch.arange(width) < lengths.unsqueeze(-1)).to(dtype)
    mask[2, 3] = 0  # a hole: a token the policy did not write
    rewards = torch.tensor([1, 0, 0, 1, 1, 1, 1, 1, 0.5, 2, 0.3], dtype=dtype)
    logits = normal(rows, width, vocabulary)
    tokens = torch.randint(0, vocabulary, (rows, width), generator=noise)
    current = logprobs_of(logits, tokens)
    batch = RolloutBatch(
        groups=torch.tensor([3, 3, 3, 3, 0, 0, 0, 0, 9, 9, 5]),
        rewards=rewards,
        token_rewards=place_outcome(rewards, lengths, width),
        mask=mask,
        old_logprobs=current + 0.3 * normal(rows, width),
        reference_logprobs=current + 0.3 * normal(rows, width),
        sampler_logprobs=current + 0.3 * normal(rows, width),
        lengths=lengths,
        truncated=lengths == 8,
        width=WIDTH,
        parts={"accuracy": (rewards == 1).to(dtype)},
        row_seeds=torch.arange(rows),
    )
    return Rows(batch, logits, tokens)


@dataclass
class RowForward:
    """A forward pass over given logits of given tokens."""

    given: Tensor
    tokens: Tensor

    @property
    def logprobs(self) -> Tensor:
        return logprobs_of(self.given, self.tokens)

    def entropy(self) -> Tensor:
        return entropy_of(self.given)

    def logits(self) -> Tensor:
        return self.given


def loss_and_gradient(
    objective: PolicyGradient, rows: Rows, *, cuts: list[list[int]] | None = None
) -> tuple[Tensor, Tensor, Metrics]:
    """Return loss, gradient of the logits and metrics of one update, in the given micro-batches."""
    batch, _ = objective.shape(rows.batch)
    advantages = objective.advantages(batch)
    assert batch.row_seeds is not None
    whole = LossBatch(
        old_logprobs=batch.old_logprobs,
        advantages=advantages,
        mask=batch.mask,
        groups=batch.groups,
        row_seeds=batch.row_seeds,
        step=0,
        totals=totals_of(batch.mask, batch.groups, width=batch.width),
        reference_logprobs=batch.reference_logprobs,
        rollout_weights=objective.rollout_weights(batch),
    )
    logits = rows.logits.clone().requires_grad_()
    total, metrics = torch.zeros((), dtype=torch.float64), {}
    for cut in cuts or [list(range(len(batch.groups)))]:
        at = torch.tensor(cut)
        part: Loss = objective.loss(whole.select(at), RowForward(logits[at], rows.tokens[at]))
        part.total.backward()
        total = total + part.total.detach().double()
        metrics = add_metrics(metrics, part.metrics)
    assert logits.grad is not None
    return total, logits.grad, metrics
