"""PPO (arXiv 1707.06347) with a critic, as language models are trained with it (arXiv 2203.02155).

    L = 1/tokens Σ_i Σ_t max(−A_it·r_it, −A_it·clip(r_it, 0.8, 1.2))  +  the critic's loss
    δ_t = r_t + γ·V_{t+1} − V_t      A_t = δ_t + γλ·A_{t+1}, whitened over the tokens of the batch

The reward stands on the last token. With a KL penalty in the reward, the usual form in RLHF, type
``objective=ppo objective/shaping=[kl_penalty] objective.shaping.kl_penalty.coef=0.05``; it needs a
reference model. The critic is a copy of the model the stage starts from (``models.critic``);
``objective.critic.share=head`` puts it on the policy, ``objective/critic/loss=hl_gauss`` has it
classify. PPO reuses a rollout batch: ``training.updates_per_step``, ``training.epochs_per_step``.
"""

from __future__ import annotations

from dataclasses import dataclass

from etude.component import component, slot
from etude.objective.critic.kind import Critic
from etude.objective.parts import Advantage
from etude.objective.policy_gradient import PolicyGradient


@component(source="arXiv 1707.06347")
@dataclass(frozen=True)
class PPO(PolicyGradient):
    """Generalised advantages of a critic, clipped ratio, all tokens alike."""

    advantage: Advantage = slot("gae", "how rewards become advantages")
    critic: Critic = slot("value", "what predicts the rewards to come, for advantages that ask")
