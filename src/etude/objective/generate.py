"""Generation as a stage: sample answers, keep the good ones, hand on rows instead of a model.

Rejection sampling (``keep: correct``, expert iteration, arXiv 2504.07912) and best-of-k
(``keep: best``, RAFT, arXiv 2304.06767) are this stage followed by a supervised one that reads its
rows (``sources.<name>.from_stage``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from etude.component import component, option


@component(source="arXiv 2304.06767")
@dataclass(frozen=True)
class Generate:
    """Samples answers, verifies them and keeps some as rows for another stage."""

    learner: ClassVar[str] = "generate"
    reads: ClassVar[tuple[str, ...]] = (
        "model",
        "models",
        "objective",
        "data_mix",
        "verifier",
        "reward_weighting",
        "rollout",
        "training",
    )

    samples_per_prompt: int = option(8, "answers sampled for each prompt", ge=1)
    keep: str = option(
        "correct",
        "what is kept: all | correct (what the verifier accepts) | best (highest reward, ties: "
        "the first)",
        choices=("all", "correct", "best"),
    )
    max_per_prompt: int | None = option(None, "most rows one prompt may give; null: no limit", ge=1)
    deduplicate: bool = option(True, "keep only one of identical answers to a prompt")
