"""Sampling with transformers on this process's device: the default engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from etude.component import component, option, slot

if TYPE_CHECKING:
    from etude.model.policy import Policy
    from etude.rollout.budget.kind import Budget
    from etude.rollout.episode.interface import Episode
    from etude.rollout.gate.kind import Gate
    from etude.rollout.logits.interface import Logits
    from etude.rollout.sampler import TransformersEngine


@component()
@dataclass(frozen=True)
class Transformers:
    """Samples with transformers in this process: prompts read once a group, finished rows leave."""

    samples_as_trained: ClassVar[bool] = True

    temperature: float = option(
        1.0, "logits are divided by it; 0 takes the likeliest token", ge=0, le=1000
    )
    top_p: float = option(
        1.0,
        "sample from the likeliest tokens that hold this much of the mass; 1: from all",
        gt=0,
        le=1,
    )
    top_k: int = option(0, "sample from this many of the likeliest tokens; 0: from all", ge=0)
    max_new_tokens: int = option(
        64, "longest response, tokens, forced prefix included", ge=1, le=100_000_000
    )
    max_prompt_tokens: int | None = option(
        None,
        "longest prompt, tokens; null: what the model's positions leave beside max_new_tokens",
        ge=1,
    )
    too_long: str = option(
        "refuse",
        "what becomes of a longer prompt: refuse (before step 1) | drop (its row) | cut (its "
        "beginning)",
        choices=("refuse", "drop", "cut"),
    )
    stop: list[str] = option(
        [],
        r"texts that end a response (\n: a line break); they stay part of it",
        escapes=True,
        form="filled",
    )
    stop_token_ids: list[int] = option(
        [], "tokens that end a response, beside the end-of-text tokens of the model", ge=0
    )
    token_budget: int = option(
        262144,
        "tokens of key-value cache held at once; more rows than fit are sampled in turn",
        kind="execution",
        ge=1,
    )

    episode: Episode = slot("single", "how prompts become rows: single answers, several turns, …")
    logits: Logits = slot(
        "own",
        "what the tokens of answers are drawn from: the model alone, or several combined",
        read_by="samples",
    )
    budget: Budget = slot(
        "uniform", "how many answers each prompt of a step gets", read_by="groups"
    )
    gate: Gate = slot(
        "none",
        "when the trained model takes the place of rollout.model_from, which samples until then",
        read_by="groups",
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
