"""Names that a person's functions are given or return, and fields beside their own options."""

from __future__ import annotations

from dataclasses import dataclass

from etude.component import option

#: The part of a verifier's function that returns a number.
NUMBER = "accuracy"

#: A key of a returned dict that is the answer as it was read, and no part.
EXTRACTED = "extracted"

#: How the name of a model's log-probs ends.
ROLE_LOGPROBS = "_logprobs"

#: How the name of a model's logits ends.
ROLE_LOGITS = "_logits"


@dataclass(frozen=True)
class FilterFields:
    """What a filter does with the groups that it drops."""

    refill: bool = option(
        False, "sample other prompts until there are enough groups; false: train on those kept"
    )
    max_batches: int = option(
        10, "batches sampled for one step before the stage fails; 0: no limit", ge=0
    )


@dataclass(frozen=True)
class EvaluationFields:
    """How an evaluation that is a function samples the answers that it is given."""

    problems: int = option(256, "most held-out problems that are measured", ge=1, le=100_000_000)
    samples: int = option(1, "answers sampled for each problem", ge=1, le=100_000)
    temperature: float = option(
        1.0, "sampling temperature; 0 takes the most likely token", ge=0, le=1000
    )
    max_new_tokens: int | None = option(
        None, "tokens an answer may take; null: rollout.max_new_tokens", ge=1, le=100_000_000
    )
    bootstrap: int = option(
        1000, "resamples behind each interval; 0 gives none", ge=0, le=1_000_000
    )
    draws: int = option(0, "draws samples and resamples", ge=0, le=2**63 - 1)
