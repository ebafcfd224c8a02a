"""ROVER: values, targets and the gradient of the logits."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import torch
from golden_objective import loss_batch, objective, rollout_batch
from torch import Tensor

from etude.objective.advantage.dr_grpo import GroupCentred
from etude.objective.advantage.grpo import GroupRelative
from etude.objective.batch import MaskedForward
from etude.objective.policy_loss.rover import Rover
from etude.primitives.distribution import mean_logprob_of
from token_logprobs import logprobs_of

METHOD = "rover"
CONFIG = {"rho", "beta_next"}
INPUTS = {"logits", "old_logits", "token_ids"}

CENTRING = {"mean": GroupCentred, "mean_std": GroupRelative}


@dataclass
class GivenLogits:
    """A forward pass over given logits of given tokens."""

    given: Tensor
    tokens: Tensor

    @property
    def logprobs(self) -> Tensor:
        return logprobs_of(self.given, self.tokens)

    def statistic(self, of: Any) -> Tensor:
        return of(self.given)

    def entropy(self) -> Tensor:
        raise AssertionError("ROVER reads no entropies")

    def logits(self) -> Tensor:
        raise AssertionError("ROVER reads no whole distributions")


def run(case: Any) -> None:
    config, inputs = case.config, case.inputs
    part = Rover(
        rho=config.take("rho"), next_value=config.take("beta_next"), clip=config.take("clip")
    )
    chosen = objective(advantage=config.choose("reward_centering", CENTRING)(), policy_loss=part)
    mask, rewards = inputs.tensor("mask"), inputs.tensor("rewards")
    groups = torch.tensor(inputs.take("group", [0] * len(rewards)))
    tokens = torch.tensor(inputs.take("token_ids"))
    old = inputs.tensor("old_logits")
    advantages = chosen.advantages(rollout_batch(mask, rewards=rewards, groups=groups))
    batch = dataclasses.replace(
        loss_batch(mask, logprobs_of(old, tokens), advantages),
        groups=groups,
        old_statistics={"mean_logprob": mean_logprob_of(old)},
    )
    logits = inputs.tensor("logits").requires_grad_()
    forward = GivenLogits(logits, tokens)
    loss = chosen.loss(batch, forward)
    loss.total.backward()
    value, target = part.terms(batch.clean(), MaskedForward(forward, mask))
    case.check("loss", loss.total)
    case.check("q_masked", value)
    case.check("target_masked", target)
    case.check("grad_logits", logits.grad)
