"""A forward pass over demonstrations for golden cases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from etude.primitives.distribution import entropy_of
from token_logprobs import logprobs_of


@dataclass
class GivenLogits:
    """A forward pass that returns given logits, of other models too where they are given."""

    given: Tensor
    labels: Tensor
    reference: Tensor | None = None
    teacher: Tensor | None = None

    @property
    def logprobs(self) -> Tensor:
        return logprobs_of(self.given, self.labels)

    def entropy(self) -> Tensor:
        return entropy_of(self.given)

    def statistic(self, of: Callable[[Tensor], Tensor]) -> Tensor:
        return of(self.given.flatten(0, 1)).view(self.labels.shape)

    def logits(self) -> Tensor:
        return self.given

    def reference_logits(self) -> Tensor:
        assert self.reference is not None
        return self.reference

    def teacher_logits(self) -> Tensor:
        assert self.teacher is not None
        return self.teacher
