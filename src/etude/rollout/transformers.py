"""Sampling with transformers on this process's device: the default engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from etude.component import component, option

if TYPE_CHECKING:
    from etude.model.policy import Policy
    from etude.rollout.sampler import TransformersEngine


@component()
@dataclass(frozen=True)
class Transformers:
    """Samples with transformers in this process: prompts read once a group, finished rows leave."""

    temperature: float = option(1.0, "logits are divided by it; 0 takes the likeliest token", ge=0)
    top_p: float = option(
        1.0,
        "sample from the likeliest tokens that hold this much of the mass; 1: from all",
        gt=0,
        le=1,
    )
    top_k: int = option(0, "sample from this many of the likeliest tokens; 0: from all", ge=0)
    max_new_tokens: int = option(64, "longest response, tokens, forced prefix included", ge=1)
    stop: list[str] = option([], "texts that end a response; they stay part of it")
    stop_token_ids: list[int] = option(
        [], "tokens that end a response, beside the end-of-text tokens of the model"
    )
    token_budget: int = option(
        262144,
        "tokens of key-value cache held at once; more rows than fit are sampled in turn",
        kind="execution",
        ge=1,
    )

    def engine(self, policy: Policy) -> TransformersEngine:
        """Return an engine that samples from the policy's present weights."""
        from etude.rollout.sampler import TransformersEngine

        return TransformersEngine(self, policy)
