"""What a preference objective is given: pairs of answers, a micro-batch of them at a time.

P is the number of pairs, T the padded response width. A pair is a chosen and a rejected answer to
one prompt; a mask is 1 on the response tokens that count.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from torch import Tensor

from etude.errors import ModelError
from etude.objective.batch import Forward, MaskedForward
from etude.objective.loss import Metrics
from etude.primitives.masked import as_float, keep


@dataclass(frozen=True)
class PairTotals:
    """The denominators of an update batch of pairs, over all its micro-batches.

    ``chosen_tokens`` and ``rejected_tokens`` are the response tokens of each side;
    ``micro_batches`` is into how many parts the update batch is cut.
    """

    pairs: int
    chosen_tokens: int
    rejected_tokens: int
    micro_batches: int = 1


@dataclass(frozen=True)
class Side:
    """One side of a micro-batch of pairs, with its forward pass.

    ``mask`` and ``reference_logprobs`` (of the frozen reference model; None where nothing asks for
    them) are ``[P, T]``.
    """

    forward: Forward
    mask: Tensor
    reference_logprobs: Tensor | None = None

    @cached_property
    def masked(self) -> MaskedForward:
        """Return the forward pass with 0 where the mask is 0; logits and entropies on demand."""
        return MaskedForward(self.forward, as_float(self.mask))

    @property
    def logprobs(self) -> Tensor:
        """Return the policy's log-probs of the tokens, ``[P, T]``, 0 off the mask."""
        return self.masked.logprobs

    @cached_property
    def reference(self) -> Tensor:
        """Return the reference's log-probs, constants ``[P, T]``; raises ModelError without one."""
        if self.reference_logprobs is None:
            raise ModelError(
                "the pair loss compares with a reference model and there is none; type "
                "models.reference=start (or base, or a folder)"
            )
        return keep(as_float(self.reference_logprobs.detach()), as_float(self.mask))

    @cached_property
    def log_ratios(self) -> Tensor:
        """Return log-prob minus the reference's, ``[P, T]``, 0 off the mask."""
        return self.logprobs - self.reference

    @cached_property
    def lengths(self) -> Tensor:
        """Return the number of tokens of each answer, ``[P]``."""
        return as_float(self.mask).sum(-1)


@dataclass(frozen=True)
class PairBatch:
    """A micro-batch of pairs; ``totals`` are those of the update batch.

    ``seeds [P]`` holds one seed a pair and ``step`` (of ``steps``) the step's number, which key
    every random choice.
    """

    chosen: Side
    rejected: Side
    seeds: Tensor
    totals: PairTotals
    step: int = 0
    steps: int = 1


@dataclass(frozen=True)
class PairLosses:
    """The loss of every pair, ``[P]``; the mean over the update batch's pairs is minimised."""

    loss: Tensor
    metrics: Metrics = field(default_factory=dict)
