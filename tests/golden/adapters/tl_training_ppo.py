"""PPO as DeepSpeed-Chat writes it: a KL penalty on every token, a clipped score on the last."""

from __future__ import annotations

from typing import Any

from golden_objective import GivenLogprobs, loss_batch, objective, rollout_batch

from etude.objective.advantage.gae import GeneralisedAdvantage
from etude.objective.aggregation.token_mean import TokenMean
from etude.objective.critic.kind import TARGETS
from etude.objective.critic.loss.squared import SquaredError
from etude.objective.critic.value import ValueCritic
from etude.objective.policy_loss.clipped import Clipped
from etude.objective.shaping.clip_reward import ClipReward
from etude.objective.shaping.kl_penalty import KLPenalty
from etude.primitives.masked import keep

METHOD = "tl_training"
CONFIG = {"kl_ctl", "cliprange_value"}
INPUTS = {"old_values", "scores"}


def run(case: Any) -> None:
    config, inputs = case.config, case.inputs
    assert config.take("kind") == "ppo"
    assert config.take("reward_last_token") == 1  # the score stands on the last token
    clip, clip_value = config.take("cliprange"), config.take("cliprange_value")
    loss = SquaredError(clip=clip_value)
    chosen = objective(
        shaping={
            "clip_reward": ClipReward(limit=config.take("clip_reward_value")),
            "kl_penalty": KLPenalty(coef=config.take("kl_ctl")),
        },
        advantage=GeneralisedAdvantage(
            gamma=config.take("gamma"), lam=config.take("lam"), whiten=False
        ),
        policy_loss=Clipped(clip_low=clip, clip_high=clip),
        critic=ValueCritic(coef=1.0, loss=loss),
        aggregation=TokenMean(),
    )
    # The arrays begin in the prompt: what is trained begins where the prompt's last token predicts.
    first = config.take("prompt_length") - 1
    mask = inputs.tensor("action_mask")
    old, reference = inputs.tensor("old_logprobs"), inputs.tensor("ref_logprobs")
    scores, values = inputs.tensor("scores"), inputs.tensor("old_values")
    whole = rollout_batch(mask, old_logprobs=old, role_logprobs={"reference": reference})
    shaped, _ = chosen.shape(whole.add_outcome(scores))
    response = rollout_batch(
        mask[:, first:], token_rewards=shaped.token_rewards[:, first:], values=values[:, first:]
    )
    estimate = chosen.estimate(response)
    batch = loss_batch(
        mask[:, first:],
        old[:, first:],
        estimate.advantages,
        values=response.values,
        returns=estimate.returns,
    ).mark(TARGETS, loss.targets(response, estimate.returns, values))
    logprobs = inputs.tensor("new_logprobs").requires_grad_()
    predicted = inputs.tensor("new_values").requires_grad_()
    actor = chosen.loss(batch, GivenLogprobs(logprobs)).total
    critic = chosen.critic.term(predicted.unsqueeze(-1), batch, chosen.aggregation).loss
    (actor + critic).backward()

    case.check("token_rewards", keep(shaped.token_rewards, mask))
    case.check("advantages", estimate.advantages)
    case.check("returns", estimate.returns)
    case.check("actor_loss", actor)
    case.check("grad_new_logprobs", logprobs.grad)
    case.check("critic_loss", critic)
    case.check("grad_new_values", predicted.grad)
