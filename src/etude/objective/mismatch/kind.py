"""The slot ``objective/mismatch``: what undoes the difference between sampler and trainer.

An engine computes the same weights in other kernels, another precision or another batch than the
trainer, so that its log-probs ℓ_sampler are not the trainer's ℓ° at sampling. What is drawn from
the one and trained as if drawn from the other is off-policy by exp(ℓ° − ℓ_sampler), whatever the
policy loss; constant weights of its gradient correct that. How large the difference is, is measured
in every step (:func:`measured`), corrected or not.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from torch import Tensor

from etude.errors import DataError
from etude.objective.batch import LossBatch, MaskedForward, RolloutBatch
from etude.objective.loss import Metrics, largest_metric, token_metric
from etude.objective.parts import Part
from etude.primitives.masked import as_float, keep
from etude.primitives.ratio import log_ratio


class Mismatch(Part, ABC):
    """Weighs what an engine sampled by how likely the trainer's model finds it."""

    #: False for one that weighs nothing, which needs no old log-probs before the update.
    active: ClassVar[bool] = True
    #: True where also rows of an engine are corrected that samples as the trainer computes.
    built_in: bool

    @abstractmethod
    def outside(self, batch: LossBatch | RolloutBatch) -> Tensor:
        """Return which sampled tokens have a ratio beyond the bounds, boolean ``[N, T]``."""

    @abstractmethod
    def correct(self, batch: LossBatch) -> LossBatch:
        """Return the rows of a step with ``rollout_weights``, and a mask without what is left out.

        Totals are not counted yet. Raises DataError where the engine's log-probs are missing.
        """


@dataclass(frozen=True)
class WeightedForward(MaskedForward):
    """A forward pass whose log-probs have a gradient ``weights [N, T]`` times as large.

    So a policy loss without a token form is corrected. What it reads beside log-probs is as it was.
    """

    weights: Tensor

    @cached_property
    def logprobs(self) -> Tensor:
        """Return the log-probs of the response tokens, ``[N, T]``: same values, other gradient."""
        known = keep(as_float(self.forward.logprobs), self.mask)
        return known.detach() + self.weights * (known - known.detach())


def sampled_tokens(batch: LossBatch | RolloutBatch) -> Tensor:
    """Return 1 on the tokens that are trained and that the engine drew, ``[N, T]``."""
    drawn = as_float((batch.mask > 0).to(batch.mask.dtype))
    return drawn if batch.off_policy is None else drawn * (batch.off_policy == 0)


def of_sampler(batch: LossBatch | RolloutBatch) -> Tensor:
    """Return the engine's log-probs, ``[N, T]``; raises DataError where there are none."""
    if batch.sampler_logprobs is None:
        raise DataError(
            "objective.mismatch compares the rollout engine's log-probs with the trainer's, and "
            "these rows have none of an engine; type objective/mismatch=none"
        )
    return batch.sampler_logprobs


def measured(batch: LossBatch | RolloutBatch) -> Metrics:
    """Return how far the sampler lies from the trainer, over the tokens that it drew.

    With x = ℓ° − ℓ_sampler, clamped to ±20, ``mismatch/kl_k1`` (the mean of −x) and
    ``mismatch/kl_k3`` (of e^x − 1 − x) estimate KL(sampler‖trainer) a token, in nats;
    ``mismatch/largest_ratio`` is the largest e^x. Nothing without log-probs of a sampler.
    """
    if batch.sampler_logprobs is None:
        return {}
    drawn = sampled_tokens(batch)
    sampler = keep(as_float(batch.sampler_logprobs), drawn)
    trainer = keep(as_float(batch.old_logprobs), drawn)
    change = log_ratio(trainer, sampler)
    return {
        "mismatch/kl_k1": token_metric(-change, drawn),
        "mismatch/kl_k3": token_metric(change.expm1() - change, drawn),
        "mismatch/largest_ratio": largest_metric(change.exp(), drawn),
    }
