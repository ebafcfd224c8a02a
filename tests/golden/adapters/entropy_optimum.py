"""Where the objective with an entropy bonus has its optimum: one state, every answer enumerated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from golden_objective import loss_batch, objective
from torch import Tensor

from etude.objective.policy_loss.clipped import Clipped
from etude.objective.regularizer.entropy import Entropy
from etude.primitives.distribution import entropy_of

METHOD = "entropy_regularisation"
CONFIG = {"alpha"}
INPUTS = {"rewards"}


@dataclass
class EveryAnswer:
    """A forward pass over one row of one token for each answer, all of one distribution."""

    given: Tensor

    @property
    def logprobs(self) -> Tensor:
        return self.given.log_softmax(-1).unsqueeze(-1)

    def entropy(self) -> Tensor:
        return entropy_of(self.given).expand(len(self.given), 1)

    def statistic(self, of: Any) -> Tensor:
        return of(self.given).expand(len(self.given), 1)

    def logits(self) -> Tensor:
        return self.given.expand(len(self.given), 1, -1)


def run(case: Any) -> None:
    rewards = case.inputs.tensor("rewards")
    answers = len(rewards)
    made = objective(
        policy_loss=Clipped(clip_low=1.0, clip_high=1e9),  # the part preset `unclipped`
        regularizer={"entropy": Entropy(coef=case.config.take("alpha"))},
    )
    # Answers drawn from the uniform policy: the mean of −R·π/π° over them is −Σ π·R exactly.
    uniform = torch.full((answers, 1), -math.log(answers), dtype=torch.float64)
    batch = loss_batch(torch.ones_like(uniform), uniform, rewards)
    logits = torch.zeros(answers, dtype=torch.float64, requires_grad=True)
    minimiser = torch.optim.LBFGS(
        [logits],
        max_iter=500,
        tolerance_grad=1e-13,
        tolerance_change=1e-16,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        minimiser.zero_grad()
        total = made.loss(made.prepare(batch, {}), EveryAnswer(logits)).total
        total.backward()
        return total

    minimiser.step(closure)
    case.check("policy", logits.softmax(-1))
    case.check("value", -closure())
