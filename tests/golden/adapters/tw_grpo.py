"""TW-GRPO: token weights, the loss, and the gradient with and without them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import torch
from golden_objective import loss_batch, objective, rollout_batch
from torch import Tensor

from etude.objective.advantage.grpo import GroupRelative
from etude.objective.batch import LossBatch, MaskedForward
from etude.objective.loss import spread
from etude.objective.modifier.tw_grpo import TokenWeights
from etude.objective.policy_loss.clipped import Clipped
from etude.objective.regularizer.kl import KL
from token_logprobs import logprobs_of

METHOD = "tw_grpo"
CONFIG = {"alpha", "group_size"}
INPUTS = {"logits", "token_ids", "mask"}


@dataclass
class GivenLogits:
    """A forward pass over given logits; ``logprobs`` may be a leaf of its own."""

    given: Tensor
    logprobs: Tensor

    def across(self, of: Any) -> Tensor:
        columns = range(self.given.shape[1])
        return torch.cat([of(self.given[:, t : t + 1], slice(t, t + 1)) for t in columns], 1)

    def logits(self) -> Tensor:
        raise AssertionError("TW-GRPO never asks for all logits at once")

    def statistic(self, of: Any) -> Tensor:
        raise AssertionError("TW-GRPO compares rows")

    def entropy(self) -> Tensor:
        raise AssertionError("TW-GRPO reads no entropies")


def run(case: Any) -> None:
    config, inputs = case.config, case.inputs
    part = TokenWeights(alpha=config.take("alpha"))
    clipped = Clipped(clip_low=config.take("clip_low"), clip_high=config.take("clip_high"))
    beta = config.take("beta", 0.0)  # the KL term is a regulariser of its own here
    chosen = objective(
        advantage=GroupRelative(epsilon=config.take("std_epsilon", 1e-4)),
        policy_loss=clipped,
        modifier={"tw_grpo": part},
        regularizer={"kl": KL(coef=beta, estimator="k3")} if beta else {},
    )
    mask, logits = inputs.tensor("mask"), inputs.tensor("logits")
    tokens = torch.tensor(inputs.take("token_ids"))
    groups = torch.arange(len(mask)) // config.take("group_size")
    if "rewards" in inputs:
        rewards = inputs.tensor("rewards")
        advantages = chosen.advantages(rollout_batch(mask, rewards=rewards, groups=groups))
        case.check("advantages", advantages[:, 0])
    else:
        advantages = spread(inputs.tensor("advantages"), mask)
    # The reference is on-policy at every update: the ratio is 1.
    old = logprobs_of(logits, tokens)
    reference = inputs.tensor("ref_logprobs", None)
    batch = loss_batch(mask, old, advantages, role_logprobs={"reference": reference})
    batch = dataclasses.replace(batch, groups=groups)
    if "token_weights" in case.expected:
        seen = MaskedForward(GivenLogits(logits, old), mask)
        case.check("token_weights", part.weights(batch, seen)[0])
    if "grad_logprobs" in case.expected:
        logprobs = old.clone().requires_grad_()
        loss = chosen.loss(batch, GivenLogits(logits, logprobs))
        loss.total.backward()
        case.check("loss", loss.total)
        case.check("grad_logprobs", logprobs.grad)
        return
    for detached in (True, False):
        loss, gradient = through_logits(chosen, part, batch, logits, tokens, detached)
        assert abs(loss - case.expected.take("loss")) <= 1e-6 * abs(loss), case.name
        case.check(f"grad_logits_weights_{'' if detached else 'not_'}detached", gradient)


def through_logits(
    chosen: Any,
    part: TokenWeights,
    batch: LossBatch,
    logits: Tensor,
    tokens: Tensor,
    detached: bool,
) -> tuple[float, Tensor]:
    """Return the loss and its gradient by logits, with constant weights or not."""
    given = logits.clone().requires_grad_()
    made = dataclasses.replace(
        chosen, modifier={"tw_grpo": dataclasses.replace(part, detach_weights=detached)}
    )
    loss = made.loss(batch, GivenLogits(given, logprobs_of(given, tokens)))
    loss.total.backward()
    assert given.grad is not None
    return float(loss.total.detach()), given.grad
