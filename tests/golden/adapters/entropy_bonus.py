"""The entropy bonus of a batch of logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from golden_objective import AGGREGATIONS, loss_batch, objective
from torch import Tensor

from etude.objective.regularizer.entropy import Entropy
from etude.primitives.distribution import entropy_of

METHOD = "entropy_regularisation"
CONFIG = {"coef"}
INPUTS = {"logits", "mask"}


@dataclass
class GivenLogits:
    """A forward pass of given logits, in which every token is the first of the vocabulary."""

    given: Tensor

    @property
    def logprobs(self) -> Tensor:
        return self.given.log_softmax(-1)[..., 0]

    def entropy(self) -> Tensor:
        return entropy_of(self.given)

    def statistic(self, of: Any) -> Tensor:
        return of(self.given)

    def logits(self) -> Tensor:
        return self.given


def run(case: Any) -> None:
    made = objective(
        aggregation=case.config.choose("aggregate", AGGREGATIONS)(None),
        regularizer={"entropy": Entropy(coef=case.config.take("coef"))},
    )
    logits, mask = case.inputs.tensor("logits").requires_grad_(), case.inputs.tensor("mask")
    # Without advantages the policy loss and its gradient are 0, and what is left is the bonus.
    batch = loss_batch(mask, torch.zeros_like(mask), torch.zeros_like(mask))
    forward = GivenLogits(logits)
    total = made.loss(made.prepare(batch, {}), forward).total
    total.backward()
    case.check("token_entropy", forward.entropy())
    case.check("loss_term", total)
    case.check("grad_logits", logits.grad)
