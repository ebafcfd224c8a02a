"""What an objective is given: the rows of a step, a micro-batch of them, and a forward pass.

N is the number of rows, T the padded response width, V the vocabulary. A mask is 1 on the response
tokens that are trained (end-of-text included) and 0 elsewhere.

*Rollout batch*: all rows of a step. *Update batch*: the rows one optimizer step sees, over all
ranks; its :class:`Totals` are computed before it is split into micro-batches, so that what a
micro-batch adds to the loss does not depend on where the cuts are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor

from etude.errors import DataError
from etude.primitives.masked import as_float, keep


@dataclass(frozen=True)
class Totals:
    """The denominators of an update batch.

    ``tokens`` trained tokens; ``rows`` rows with at least one of them; ``all_rows`` rows with or
    without; ``groups`` prompt groups; ``width`` the longest response the step allows;
    ``micro_batches`` into how many parts the update batch is cut (fidelity options only);
    ``group_tokens`` trained tokens of each prompt group, by its id;
    ``weight`` the summed weights of the trained tokens, where tokens of demonstrations have some.
    Totals of parts that share no group add up (``+``).
    """

    tokens: int
    rows: int
    width: int
    groups: int = 0
    all_rows: int = 0
    micro_batches: int = 1
    weight: float = 0.0
    group_tokens: Mapping[int, int] = field(default_factory=dict)

    def __add__(self, other: Totals) -> Totals:
        """Return the totals of two parts of one update batch that share no group."""
        return Totals(
            tokens=self.tokens + other.tokens,
            rows=self.rows + other.rows,
            width=max(self.width, other.width),
            groups=self.groups + other.groups,
            all_rows=self.all_rows + other.all_rows,
            micro_batches=self.micro_batches + other.micro_batches,
            weight=self.weight + other.weight,
            group_tokens={**self.group_tokens, **other.group_tokens},
        )


#: The totals of rows that are not yet cut into update batches.
NOT_COUNTED = Totals(tokens=0, rows=0, width=0)


def totals_of(
    mask: Tensor, groups: Tensor | None = None, *, width: int, micro_batches: int = 1
) -> Totals:
    """Return the totals of the update batch with ``mask [N, T]`` and group ids ``groups [N]``."""
    per_row = mask.sum(-1)
    group_tokens: dict[int, int] = {}
    if groups is not None:
        for group, tokens in zip(groups.tolist(), per_row.tolist(), strict=True):
            group_tokens[group] = group_tokens.get(group, 0) + int(tokens)
    return Totals(
        tokens=int(per_row.sum()),
        rows=int((per_row > 0).sum()),
        width=width,
        groups=len(group_tokens),
        all_rows=mask.shape[0],
        micro_batches=micro_batches,
        group_tokens=group_tokens,
    )


def place_outcome(outcome: Tensor, lengths: Tensor, width: int) -> Tensor:
    """Return token rewards ``[N, width]``: ``outcome [N]`` on each row's last token, 0 elsewhere.

    ``lengths [N]`` say which that is; a row of length 0 has no token to hold its outcome.
    """
    columns = torch.arange(width, device=outcome.device)
    last = columns == (lengths.unsqueeze(-1) - 1)
    return last.to(outcome.dtype) * outcome.unsqueeze(-1)


def ends_of(mask: Tensor, lengths: Tensor) -> Tensor:
    """Return how far each row is trained, ``[N]``: up to its last token of ``mask [N, T]``.

    A row of which nothing is trained ends where its response does.
    """
    columns = torch.arange(1, mask.shape[1] + 1, device=mask.device)
    ends = ((mask > 0) * columns).amax(-1) if mask.shape[1] else torch.zeros_like(lengths)
    return torch.where(ends > 0, ends, lengths)


@dataclass(frozen=True)
class RolloutBatch:
    """The rows of a step, as advantages and reward shaping see them; nothing has a gradient.

    ``groups [N]`` prompt-group ids; ``rewards [N]`` outcome of each row; ``parts`` the named raw
    rewards, each ``[N]``, 0 where ``applies`` says that one does not apply to a row
    (:meth:`metric`); ``token_rewards [N, T]`` the same reward spread over tokens (the outcome on
    the last trained token unless shaped); ``mask``, ``old_logprobs`` (trainer, at sampling),
    ``sampler_logprobs`` (engine), ``values`` (critic; those of parts with a head of their own are
    ``part_values``), ``off_policy`` (1 on tokens the policy did
    not sample) and every tensor of ``role_logprobs`` (of frozen models, by role) ``[N, T]``;
    ``lengths [N]`` response lengths; ``truncated [N]`` whether the limit ended the row; ``width``
    the longest response the step allows. ``tokens [N, T]`` are the responses' ids, None where
    nobody knows them. ``moved [N]`` is 1 on rows trained in another context than they were sampled
    in, None where no row is. ``tensors`` are numbers of each token that an episode left under names
    (:class:`etude.rows.PerToken`), ``[N, T, …]``. ``row_seeds [N]`` and the step's number ``step``
    (of ``steps``) key random choices.
    """

    groups: Tensor
    rewards: Tensor
    token_rewards: Tensor
    mask: Tensor
    old_logprobs: Tensor
    lengths: Tensor
    truncated: Tensor
    width: int
    tokens: Tensor | None = None
    parts: Mapping[str, Tensor] = field(default_factory=dict)
    role_logprobs: Mapping[str, Tensor] = field(default_factory=dict)
    sampler_logprobs: Tensor | None = None
    values: Tensor | None = None
    off_policy: Tensor | None = None
    moved: Tensor | None = None
    row_seeds: Tensor | None = None
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    applies: Mapping[str, Tensor] = field(default_factory=dict)
    part_values: Mapping[str, Tensor] = field(default_factory=dict)
    step: int = 0
    steps: int = 1

    def metric(self, name: str) -> tuple[Tensor, Tensor]:
        """Return a part, or the reward for ``reward``, and which rows it applies to, both ``[N]``.

        Raises DataError for a part that no row has.
        """
        if name == "reward":
            return self.rewards, torch.ones_like(self.rewards, dtype=torch.bool)
        if name not in self.parts:
            given = ", ".join(sorted(self.parts)) or "none"
            raise DataError(f"the part '{name}' is read, and the rows of this step have: {given}")
        values = self.parts[name]
        return values, self.applies.get(name, torch.ones_like(values, dtype=torch.bool))

    def select(self, rows: Tensor) -> RolloutBatch:
        """Return some rows of the batch, by number or boolean mask."""
        changed = {
            f.name: _take(value, rows)
            for f in dataclasses.fields(self)
            if isinstance(value := getattr(self, f.name), (Tensor, Mapping))
        }
        return dataclasses.replace(self, **changed)

    def add_outcome(self, change: Tensor) -> RolloutBatch:
        """Return the batch with ``change [N]`` on every outcome and its last trained token."""
        ends = ends_of(self.mask, self.lengths)
        placed = place_outcome(change, ends, self.token_rewards.shape[1])
        return dataclasses.replace(
            self, rewards=self.rewards + change, token_rewards=self.token_rewards + placed
        )

    def add_token_rewards(self, change: Tensor) -> RolloutBatch:
        """Return the batch with ``change [N, T]`` added to its tokens, its sum to outcomes."""
        return dataclasses.replace(
            self,
            rewards=self.rewards + change.sum(-1),
            token_rewards=self.token_rewards + change,
        )


def _take(value: Any, rows: Tensor) -> Any:
    """Return some rows of a field of a batch; numbers and 0-dim tensors belong to every row."""
    if isinstance(value, Mapping):
        return {name: _take(each, rows) for name, each in value.items()}
    return value[rows] if isinstance(value, Tensor) and value.dim() else value


@dataclass(frozen=True)
class LossBatch:
    """A micro-batch of rows, as the policy loss and the regularisers see it.

    ``old_logprobs``, ``advantages``, ``mask``, ``off_policy`` (1 on tokens the policy did not
    sample), ``sampler_logprobs`` (the engine's, where they are still to be compared with the
    trainer's), ``rollout_weights`` (constant weights of the policy loss), ``values`` (the critic's,
    before the update), ``returns`` and every tensor of ``role_logprobs`` (of frozen models, by
    role) and ``old_statistics`` (of the sampling policy, by name) are ``[N, T]``, those of
    ``tensors`` (an episode's, by name) may be ``[N, T, …]``; ``groups``,
    ``rewards``, ``lengths``, ``moved`` (1 on rows trained in another context than they were sampled
    in) and every tensor of ``parts`` (the named raw rewards) and ``applies`` (who has them) are
    ``[N]``. ``row_seeds [N]`` and the step's number ``step`` (of ``steps``) key every random
    choice. ``marks`` are what parts found out about the whole update batch (:meth:`mark`);
    ``totals`` are those of the update batch.
    """

    old_logprobs: Tensor
    advantages: Tensor
    mask: Tensor
    groups: Tensor
    row_seeds: Tensor
    step: int
    totals: Totals
    steps: int = 1
    role_logprobs: Mapping[str, Tensor] = field(default_factory=dict)
    off_policy: Tensor | None = None
    moved: Tensor | None = None
    sampler_logprobs: Tensor | None = None
    rollout_weights: Tensor | None = None
    values: Tensor | None = None
    returns: Tensor | None = None
    token_rewards: Tensor | None = None
    rewards: Tensor | None = None
    lengths: Tensor | None = None
    parts: Mapping[str, Tensor] = field(default_factory=dict)
    applies: Mapping[str, Tensor] = field(default_factory=dict)
    old_statistics: Mapping[str, Tensor] = field(default_factory=dict)
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    marks: Mapping[str, Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, batch: RolloutBatch, **more: Any) -> LossBatch:
        """Return the rows of a step as losses see them; ``more`` is what the step lacks of it."""
        given = {f.name for f in dataclasses.fields(batch)}
        own = {f.name for f in dataclasses.fields(cls)}
        return cls(**{name: getattr(batch, name) for name in own & given}, **more)

    def map(self, change: Callable[[Any], Any]) -> LossBatch:
        """Return the batch with ``change`` applied to every field that holds tensors."""
        changed = {
            f.name: change(value)
            for f in dataclasses.fields(self)
            if isinstance(value := getattr(self, f.name), (Tensor, Mapping))
        }
        return dataclasses.replace(self, **changed)

    def select(self, rows: Tensor) -> LossBatch:
        """Return the micro-batch of the given row numbers (or boolean mask), totals unchanged."""
        return self.map(lambda value: _take(value, rows))

    def mark(self, name: str, value: Tensor) -> LossBatch:
        """Return the batch with a finding about the update batch: ``[N, T]``, ``[N]`` or 0-dim.

        A 0-dim finding is also a number for the log, ``objective/<name>``. Raises ValueError for a
        name that is taken: two parts would read each other's findings.
        """
        if name in self.marks:
            raise ValueError(f"the update batch already carries a mark {name!r}")
        return dataclasses.replace(self, marks={**self.marks, name: value.detach()})

    def clean(self) -> LossBatch:
        """Return the batch as constants in float32 or float64, 0 wherever the mask is 0."""
        mask = as_float(self.mask)

        def tokens(x: Tensor) -> Tensor:
            return keep(as_float(x.detach()), mask)

        def optional(x: Tensor | None) -> Tensor | None:
            return None if x is None else tokens(x)

        return dataclasses.replace(
            self,
            mask=mask,
            old_logprobs=tokens(self.old_logprobs),
            advantages=tokens(self.advantages),
            role_logprobs={role: tokens(x) for role, x in self.role_logprobs.items()},
            sampler_logprobs=optional(self.sampler_logprobs),
            rollout_weights=optional(self.rollout_weights),
            old_statistics={name: tokens(x) for name, x in self.old_statistics.items()},
        )


class Forward(Protocol):
    """A forward pass over a micro-batch; what is not asked for is not computed."""

    @property
    def logprobs(self) -> Tensor:
        """Return the log-probs of the response tokens at the sampling temperature, ``[N, T]``."""

    def entropy(self) -> Tensor:
        """Return the entropy of every next-token distribution, with gradient, ``[N, T]``."""

    def statistic(self, of: Callable[[Tensor], Tensor]) -> Tensor:
        """Return ``of`` (logits ``[m, V]`` ÷ temperature → ``[m]``) at every token, ``[N, T]``."""

    def logits(self) -> Tensor:
        """Return the logits divided by the sampling temperature, ``[N, T, V]``."""

    def across(self, of: Callable[[Tensor, slice], Tensor]) -> Tensor:
        """Return what ``of`` makes of every position of all rows together, ``[N, T]``.

        It is given the logits ÷ temperature ``[N, c, V]`` of c positions and which ones they are,
        and returns ``[N, c]``; all logits at once may not fit into memory.
        """


@dataclass(frozen=True)
class KnownLogprobs:
    """A forward pass of which nothing but the log-probs ``[N, T]`` is known."""

    logprobs: Tensor

    def entropy(self) -> Tensor:
        """Raise LookupError: entropies are not known."""
        raise LookupError("only log-probs are known here, entropies are not")

    def statistic(self, of: Callable[[Tensor], Tensor]) -> Tensor:
        """Raise LookupError: distributions are not known."""
        raise LookupError("only log-probs are known here, distributions are not")

    def logits(self) -> Tensor:
        """Raise LookupError: logits are not known."""
        raise LookupError("only log-probs are known here, logits are not")

    def across(self, of: Callable[[Tensor, slice], Tensor]) -> Tensor:
        """Raise LookupError: distributions are not known."""
        raise LookupError("only log-probs are known here, distributions are not")


class SupervisedForward(Forward, Protocol):
    """A forward pass over demonstrations, at temperature 1, and the reference model's beside it."""

    def reference_logits(self) -> Tensor:
        """Return the frozen reference model's logits at the same positions, ``[N, T, V]``."""

    def teacher_logits(self) -> Tensor:
        """Return the frozen teacher's logits at the same positions, ``[N, T, its V]``."""


@dataclass(frozen=True)
class MaskedForward:
    """A forward pass in the loss's dtype whose masked positions are 0 and carry no gradient."""

    forward: Forward
    mask: Tensor

    @cached_property
    def logprobs(self) -> Tensor:
        """Return the log-probs of the response tokens, 0 where masked, ``[N, T]``."""
        return keep(as_float(self.forward.logprobs), self.mask)

    def entropy(self) -> Tensor:
        """Return the token entropies, 0 where masked, ``[N, T]``."""
        return keep(as_float(self.forward.entropy()), self.mask)

    def statistic(self, of: Callable[[Tensor], Tensor]) -> Tensor:
        """Return ``of`` (logits ``[m, V]`` → ``[m]``) at every token ``[N, T]``, 0 if masked."""
        return keep(as_float(self.forward.statistic(of)), self.mask)

    def logits(self) -> Tensor:
        """Return the logits ``[N, T, V]``, 0 where masked."""
        return keep(as_float(self.forward.logits()), self.mask.unsqueeze(-1))

    def across(self, of: Callable[[Tensor, slice], Tensor]) -> Tensor:
        """Return what ``of`` makes of positions of all rows, ``[N, T]``.

        The logits it is given are 0 where masked; what it returns there is up to it.
        """

        def masked(logits: Tensor, columns: slice) -> Tensor:
            return of(keep(as_float(logits), self.mask[:, columns].unsqueeze(-1)), columns)

        return self.forward.across(masked)


@dataclass(frozen=True)
class SupervisedBatch:
    """A micro-batch of demonstrations: position t predicts ``labels[:, t]`` where ``mask`` is 1.

    ``labels`` and ``mask`` are ``[N, T]``; ``totals`` are those of the update batch. ``weights
    [N, T]`` say how much a token counts, in loss and denominator alike; None: all tokens alike.
    ``scale [N]`` is what multiplies the tokens of each row in the place of a denominator; None:
    rows count as denominators say.
    """

    labels: Tensor
    mask: Tensor
    totals: Totals
    weights: Tensor | None = None
    scale: Tensor | None = None
