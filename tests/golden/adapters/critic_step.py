"""A full step of PPO's critic: values, GAE, targets, cross-entropy and its gradient."""

from __future__ import annotations

from typing import Any

import torch
from golden_critic import loss_of
from golden_objective import AGGREGATIONS, loss_batch, objective, rollout_batch

from etude.objective.advantage.gae import GeneralisedAdvantage
from etude.objective.critic.kind import TARGETS
from etude.objective.critic.value import ValueCritic
from etude.primitives.masked import keep

METHOD = "classification_critic"
CONFIG = {"target", "aggregation"}
INPUTS = {"old_logits"}

#: The file's names of aggregations → the published ones.
NAMES = {"token": "token-mean", "sequence": "seq-mean-token-mean"}


def run(case: Any) -> None:
    loss = loss_of(case.config)
    chosen = objective(
        advantage=GeneralisedAdvantage(
            gamma=case.config.take("gamma"),
            lam=case.config.take("lam"),
            whiten=case.config.take("whiten_advantages"),
        ),
        critic=ValueCritic(coef=1.0, loss=loss),
        aggregation=AGGREGATIONS[case.config.choose("aggregation", NAMES)](None),
    )
    mask = case.inputs.tensor("mask")
    old = case.inputs.tensor("old_logits")
    rollouts = rollout_batch(
        mask, token_rewards=case.inputs.tensor("token_rewards"), values=loss.values(old)
    )
    estimate = chosen.estimate(rollouts)
    targets = loss.targets(rollouts, estimate.returns, old)
    batch = loss_batch(
        mask,
        torch.zeros_like(mask),
        estimate.advantages,
        values=rollouts.values,
        returns=estimate.returns,
    ).mark(TARGETS, targets)
    outputs = case.inputs.tensor("new_logits").requires_grad_()
    term = chosen.critic.term(outputs, batch, chosen.aggregation)
    term.loss.backward()

    case.check("old_values", keep(rollouts.values, mask))
    case.check("advantages", estimate.advantages)
    case.check("returns", estimate.returns)
    case.check("target_probs", keep(loss.distribution(targets), mask.unsqueeze(-1)))
    case.check("cross_entropy", keep(loss.losses(outputs, targets, batch).loss, mask))
    case.check("loss", term.loss)
    case.check("grad_new_logits", outputs.grad)
    case.check("new_values", keep(loss.values(outputs), mask))
