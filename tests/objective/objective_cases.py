"""Presets as composed from their YAML, and random rows to run them on."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cache
from typing import Any
from zlib import crc32

import torch
from torch import Tensor

from composing import composed_node
from etude import schema
from etude.build import build
from etude.objective.batch import NOT_COUNTED, LossBatch, RolloutBatch, place_outcome, totals_of
from etude.objective.loss import Loss, Metrics, add_metrics
from etude.objective.mismatch.weights import ImportanceWeights
from etude.objective.policy_gradient import PolicyGradient
from etude.primitives.distribution import STATISTICS, entropy_of
from token_logprobs import logprobs_of

WIDTH = 12  # the configured maximum response length, wider than any row here

#: Preset → what its method needs to have signal on the rows of :func:`random_rows`.
SUITED: dict[str, tuple[str, ...]] = {
    # bundles of prompts have as many papers as their smallest group has rows
    "riskpo": ("objective.advantage.bundle_size=2",),
}


@cache
def presets(learner: str) -> tuple[str, ...]:
    """Return the names of the published objectives of a learner."""
    known = schema.load().choices("objective")
    return tuple(name for name, info in known.items() if info.learner == learner and info.source)


@cache
def composed(*overrides: str) -> Any:
    """Return the objective that command-line overrides choose, e.g. ``objective=grpo``."""
    return build(composed_node("objective", *overrides), "objective")


def with_everything(objective: PolicyGradient) -> PolicyGradient:
    """Return the objective with KL in loss and reward, an entropy bonus and a correction."""
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
        mismatch=correction(objective),
    )


#: A correction of the mismatch of every kind, with bounds that some tokens of random rows exceed.
CORRECTIONS = (
    ImportanceWeights("token", "truncate", 1.2, 0.8),
    ImportanceWeights("token", "mask", 1.5, 0.7, denominator="kept"),
    ImportanceWeights("sequence", "truncate", 1.5),
    ImportanceWeights("sequence", "mask", 1.5),
    ImportanceWeights("geometric", "mask", 1.2, 0.9, weigh=False, denominator="kept"),
)


def correction(objective: PolicyGradient) -> ImportanceWeights:
    """Return the correction that an objective is tried with: always the same one of it."""
    return CORRECTIONS[crc32(repr(objective).encode()) % len(CORRECTIONS)]


@dataclass
class Rows:
    """Random rows: a rollout batch, and logits ``[N, T, V]`` that play the policy's parameters.

    ``old_logits`` are the sampling policy's; None where a case gives old log-probs of its own.
    """

    batch: RolloutBatch
    logits: Tensor
    tokens: Tensor
    old_logits: Tensor | None = None

    def reordered(self, order: Tensor) -> Rows:
        """Return the same rows in another order."""
        old = None if self.old_logits is None else self.old_logits[order]
        return Rows(take(self.batch, order), self.logits[order], self.tokens[order], old)

    def old_statistic(self, name: str) -> Tensor:
        """Return a number of every token of the sampling policy, ``[N, T]``."""
        given = self.logits if self.old_logits is None else self.old_logits
        return STATISTICS[name](given)

    def padded(self, columns: int) -> Rows:
        """Return the same rows with more padding, full of numbers that must not be read."""

        def pad(x: Tensor) -> Tensor:
            filler = torch.full((x.shape[0], columns, *x.shape[2:]), 7, dtype=x.dtype)
            return torch.cat([x, filler], 1)

        changed = {
            name: pad(getattr(self.batch, name))
            for name in ("old_logprobs", "sampler_logprobs", "values")
        }
        changed["role_logprobs"] = {role: pad(x) for role, x in self.batch.role_logprobs.items()}
        zeros = self.batch.mask.new_zeros(self.batch.mask.shape[0], columns)
        changed["mask"] = torch.cat([self.batch.mask, zeros], 1)
        for name in ("token_rewards", "off_policy"):
            changed[name] = torch.cat([getattr(self.batch, name), zeros], 1)
        batch = dataclasses.replace(self.batch, **changed)
        old = None if self.old_logits is None else pad(self.old_logits)
        return Rows(batch, pad(self.logits), pad(self.tokens) % self.logits.shape[-1], old)


def take(batch: RolloutBatch, order: Tensor) -> RolloutBatch:
    """Return the rows of a rollout batch in another order."""
    tensors: dict[str, Any] = {
        f.name: value[order]
        for f in dataclasses.fields(batch)
        if isinstance(value := getattr(batch, f.name), Tensor)
    }
    parts = {name: part[order] for name, part in batch.parts.items()}
    roles = {role: logprobs[order] for role, logprobs in batch.role_logprobs.items()}
    return dataclasses.replace(batch, **tensors, parts=parts, role_logprobs=roles)


def random_rows(dtype: torch.dtype = torch.float64, seed: int = 0) -> Rows:
    """Return 11 rows in groups of 4, 4, 2 and 1: one all right, one row empty, one truncated.

    One row is a demonstration and another begins with a given prefix.
    """
    noise = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=noise, dtype=torch.float64).to(dtype)

    lengths = torch.tensor([5, 3, 8, 1, 4, 4, 0, 2, 6, 7, 3])
    rows, width, vocabulary = len(lengths), 8, 5
    mask = (torch.arange(width) < lengths.unsqueeze(-1)).to(dtype)
    mask[2, 3] = 0  # a hole: a token the policy did not write
    rewards = torch.tensor([1, 0, 0, 1, 1, 1, 1, 1, 0, 1, 0], dtype=dtype)
    logits = normal(rows, width, vocabulary)
    tokens = torch.randint(0, vocabulary, (rows, width), generator=noise)
    current = logprobs_of(logits, tokens)
    old_logits = logits + 0.3 * normal(rows, width, vocabulary)
    off_policy = torch.zeros_like(mask)
    off_policy[3], off_policy[8, :2] = mask[3], 1
    batch = RolloutBatch(
        groups=torch.tensor([3, 3, 3, 3, 0, 0, 0, 0, 9, 9, 5]),
        rewards=rewards,
        token_rewards=place_outcome(rewards, lengths, width),
        mask=mask,
        old_logprobs=logprobs_of(old_logits, tokens),
        role_logprobs={"reference": current + 0.3 * normal(rows, width)},
        sampler_logprobs=current + 0.3 * normal(rows, width),
        lengths=lengths,
        truncated=lengths == 8,
        width=WIDTH,
        tokens=tokens,
        values=normal(rows, width),
        off_policy=off_policy,
        row_seeds=torch.arange(1, rows + 1),
        step=3,
        steps=10,
        parts={"accuracy": (rewards == 1).to(dtype), "format": (rewards >= 0).to(dtype)},
    )
    return Rows(batch, logits, tokens, old_logits)


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

    def statistic(self, of: Any) -> Tensor:
        return of(self.given)

    def logits(self) -> Tensor:
        return self.given

    def across(self, of: Any) -> Tensor:
        halves = (slice(0, 3), slice(3, self.given.shape[1]))
        return torch.cat([of(self.given[:, half], half) for half in halves], 1)


def update_batch(objective: PolicyGradient, rows: Rows) -> LossBatch:
    """Return all rows as one update batch, as the learner makes it, without what it prepares."""
    batch, _ = objective.shape(rows.batch)
    estimate = objective.estimate(batch)
    mask, _ = objective.select(batch, estimate.advantages)
    whole = LossBatch(
        old_logprobs=batch.old_logprobs,
        advantages=estimate.advantages,
        mask=mask,
        groups=batch.groups,
        row_seeds=batch.row_seeds if batch.row_seeds is not None else torch.arange(len(mask)),
        step=batch.step,
        steps=batch.steps,
        totals=NOT_COUNTED,
        role_logprobs=batch.role_logprobs,
        off_policy=batch.off_policy,
        moved=batch.moved,
        sampler_logprobs=batch.sampler_logprobs,
        values=batch.values,
        returns=estimate.returns,
        token_rewards=batch.token_rewards,
        rewards=batch.rewards,
        lengths=batch.lengths,
        parts=batch.parts,
        old_statistics={name: rows.old_statistic(name) for name in objective.old_statistics},
    )
    whole = objective.correct(whole)
    totals = totals_of(whole.mask, batch.groups, width=batch.width)
    return dataclasses.replace(whole, totals=totals)


def present_statistics(
    objective: PolicyGradient, logits: Tensor, tokens: Tensor
) -> dict[str, Tensor]:
    """Return what the objective's parts read of the present policy, each ``[N, T]``."""
    return {
        name: (STATISTICS[name](logits) if name in STATISTICS else logprobs_of(logits, tokens))
        for name in objective.statistics
    }


def aligned(cuts: list[list[int]], groups: Tensor) -> list[list[int]]:
    """Return the cuts with rows of one group kept together, in the place of the group's first."""
    placed: dict[int, list[int]] = {}
    of_cut: list[list[int]] = []
    for cut in cuts:
        mine: list[int] = []
        for row in cut:
            group = int(groups[row])
            if group not in placed:
                placed[group] = [i for i, g in enumerate(groups.tolist()) if g == group]
                mine += placed[group]
        of_cut.append(mine)
    return [cut for cut in of_cut if cut]


def loss_and_gradient(
    objective: PolicyGradient, rows: Rows, *, cuts: list[list[int]] | None = None
) -> tuple[Tensor, Tensor, Metrics]:
    """Return loss, gradient of the logits and metrics of one update, in the given micro-batches.

    Where the objective needs whole groups, the cuts are moved to the borders of groups.
    """
    whole = update_batch(objective, rows)
    cuts = cuts or [list(range(len(whole.groups)))]
    if objective.whole_groups:
        cuts = aligned(cuts, whole.groups)
    statistics = present_statistics(objective, rows.logits, rows.tokens)
    whole = objective.prepare(whole, statistics)
    logits = rows.logits.clone().requires_grad_()
    total, metrics = torch.zeros((), dtype=torch.float64), {}
    for cut in cuts:
        at = torch.tensor(cut)
        part: Loss = objective.loss(whole.select(at), RowForward(logits[at], rows.tokens[at]))
        part.total.backward()
        total = total + part.total.detach().double()
        metrics = add_metrics(metrics, part.metrics)
    assert logits.grad is not None
    return total, logits.grad, metrics
