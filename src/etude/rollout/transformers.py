"""Sampling with transformers on this process's device: the default engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from etude.component import SHOWS_LOGITS, component, option
from etude.rollout.kind import Rollout

if TYPE_CHECKING:
    from etude.model.policy import Policy
    from etude.rollout.sampler import TransformersEngine


@component(provides=[SHOWS_LOGITS])
@dataclass(frozen=True)
class Transformers(Rollout):
    """Samples with transformers in this process: prompts read once a group, finished rows leave."""

    samples_as_trained: ClassVar[bool] = True

    token_budget: int = option(
        262144,
        "tokens of key-value cache held at once; more rows than fit are sampled in turn",
        kind="execution",
        ge=1,
    )

    def engine(self, policy: Policy) -> TransformersEngine:
        """Return an engine that samples from the policy's present weights."""
        from etude.rollout.sampler import TransformersEngine
        from etude.rollout.sampling import Sampling

        return TransformersEngine(
            policy,
            Sampling(self.temperature, self.top_k, self.top_p),
            stop=self.stop,
            stop_token_ids=self.stop_token_ids,
            token_budget=self.token_budget,
        )
