"""What an objective gives back: sums that add over micro-batches, with their metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from etude.primitives.masked import keep


@dataclass(frozen=True)
class Metric:
    """A mean kept as its numerator and denominator, so that micro-batches and ranks add up."""

    numerator: Tensor
    denominator: Tensor

    def __add__(self, other: Metric) -> Metric:
        """Return the metric of two parts together."""
        return Metric(self.numerator + other.numerator, self.denominator + other.denominator)

    def value(self) -> float:
        """Return the mean; 0 when nothing was counted."""
        denominator = float(self.denominator)
        return float(self.numerator) / denominator if denominator else 0.0


@dataclass(frozen=True)
class Largest(Metric):
    """The largest number of many: the numerator, among as many as the denominator says."""

    def __add__(self, other: Metric) -> Largest:
        """Return the larger one; a part that counted nothing has no say."""
        empty = self.numerator.new_full((), -torch.inf)
        ours = torch.where(self.denominator > 0, self.numerator, empty)
        theirs = torch.where(other.denominator > 0, other.numerator, empty)
        return Largest(torch.maximum(ours, theirs), self.denominator + other.denominator)

    def value(self) -> float:
        """Return the largest number; 0 when nothing was counted."""
        return float(self.numerator) if float(self.denominator) else 0.0


Metrics = dict[str, Metric]


def token_metric(x: Tensor, mask: Tensor) -> Metric:
    """Return the mean of ``x [N, T]`` over the tokens of ``mask``, without gradient."""
    weights = mask.double()
    values = keep(x.detach().double(), weights)
    return Metric((values * weights).sum(), weights.sum())


def largest_metric(x: Tensor, mask: Tensor) -> Largest:
    """Return the largest ``x [N, T]`` among the tokens of ``mask``, without gradient."""
    counted = mask > 0
    values = torch.where(counted, x.detach().double(), -torch.inf)
    largest = values.max() if values.numel() else values.new_full((), -torch.inf)
    return Largest(largest, counted.double().sum())


def row_metric(x: Tensor, counted: Tensor) -> Metric:
    """Return the mean of ``x [N]`` over the rows where ``counted [N]`` is set."""
    return token_metric(x, counted)


def add_metrics(total: Mapping[str, Metric], more: Mapping[str, Metric]) -> Metrics:
    """Return the metrics of two micro-batches together; a name may be missing from either."""
    merged = dict(total)
    for name, metric in more.items():
        merged[name] = merged[name] + metric if name in merged else metric
    return merged


@dataclass(frozen=True)
class TokenLoss:
    """A loss of every token, ``[N, T]``, not yet aggregated.

    ``clipped [N, T]`` is True on tokens whose gradient a clip has removed; modifiers leave them.
    """

    loss: Tensor
    metrics: Metrics = field(default_factory=dict)
    clipped: Tensor | None = None


@dataclass(frozen=True)
class ScalarLoss:
    """A loss without a token form, already divided by the totals: it adds over micro-batches."""

    loss: Tensor
    metrics: Metrics = field(default_factory=dict)


@dataclass(frozen=True)
class Loss:
    """The loss of a micro-batch: the sum over an update batch is the loss of that batch."""

    total: Tensor
    metrics: Metrics = field(default_factory=dict)


def aggregate(loss: Tensor, weights: Tensor) -> Tensor:
    """Return ``Σ weights · loss``, both ``[N, T]``; where a weight is 0 nothing is read."""
    return (keep(loss, weights.abs()) * weights).sum()


@dataclass(frozen=True)
class PartEstimate:
    """What is known of one part alone: its rewards ``[N]`` and ``[N, T]``, returns for a critic."""

    rewards: Tensor
    token_rewards: Tensor
    returns: Tensor | None = None


@dataclass(frozen=True)
class Estimate:
    """Advantages ``[N, T]`` (0 off the mask), returns for a critic, and numbers for the log.

    ``parts`` are those of single parts, where a critic values them one by one.
    """

    advantages: Tensor
    returns: Tensor | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    parts: Mapping[str, PartEstimate] = field(default_factory=dict)


def spread(advantages: Tensor, mask: Tensor) -> Tensor:
    """Return the advantage of each row, ``[N]``, on each of its tokens, ``[N, T]``."""
    like = mask.dtype if mask.dtype in (torch.float32, torch.float64) else torch.float32
    return keep(advantages.to(like).unsqueeze(-1).expand(mask.shape), mask)
