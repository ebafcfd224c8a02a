"""The loss on right answers alone: their log-probs, or their clipped ratio."""

from __future__ import annotations

from typing import Any

from golden_objective import GivenLogprobs, loss_batch, objective, rollout_batch

from etude.objective.advantage.constant import Constant
from etude.objective.policy_loss.clipped import Clipped
from etude.objective.policy_loss.reinforce import Reinforce
from etude.objective.selection.correct import Correct

METHOD = "expert_iteration"
CONFIG = {"kind", "clip"}
INPUTS = {"logprobs", "old_logprobs", "response_mask", "rewards"}

KINDS = ("rft_loss", "raft_plus_plus_loss")


def run(case: Any) -> None:
    config, inputs = case.config, case.inputs
    assert config.take("kind") in KINDS
    clip = config.take("clip")
    given = objective(
        advantage=Constant(),
        selection={"correct": Correct(metric="reward")},
        policy_loss=Reinforce() if clip is None else Clipped(clip_low=clip, clip_high=clip),
    )
    batch = rollout_batch(inputs.tensor("response_mask"), rewards=inputs.tensor("rewards"))
    advantages = given.advantages(batch)
    mask, _ = given.select(batch, advantages)
    logprobs = inputs.tensor("logprobs").requires_grad_()
    old = inputs.tensor("old_logprobs")
    loss = given.loss(loss_batch(mask, old, advantages), GivenLogprobs(logprobs))
    loss.total.backward()
    case.check("loss", loss.total)
    case.check("grad_logprobs", logprobs.grad)
