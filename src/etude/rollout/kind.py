"""What every kind of engine is told of the answers it samples, whatever samples them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from etude.component import option, slot

if TYPE_CHECKING:
    from etude.rollout.budget.kind import Budget
    from etude.rollout.episode.interface import Episode
    from etude.rollout.gate.kind import Gate
    from etude.rollout.logits.interface import Logits


@dataclass(frozen=True)
class Rollout:
    """A component of the group ``rollout``: how answers are drawn, and how long they may be."""

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
