"""PRIME's filter: groups in a band first, others where too few pass."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from etude.objective.filter.band import Band
from etude.rows import StopReason

METHOD = "difficulty_curriculum"
CONFIG = {"kind", "max_response_length", "oversample_factor"}
INPUTS = {"rewards", "lengths"}


def run(case: Any) -> None:
    config = case.config
    config.choose("kind", {"prime_filter": None})
    chosen = Band(
        metric="reward",
        low=config.take("accuracy_lower"),
        high=config.take("accuracy_upper"),
        truncated=True,
        longest=config.take("max_response_length") - 1,
        oversample=config.take("oversample_factor"),
    )
    pairs = zip(case.inputs.take("rewards"), case.inputs.take("lengths"), strict=True)
    groups: list[Any] = [
        [
            SimpleNamespace(reward=r, tokens=[0] * n, verdict=None, stop_reason=StopReason.STOP)
            for r, n in zip(rewards, lengths, strict=True)
        ]
        for rewards, lengths in pairs
    ]
    passes = chosen.keep_groups(groups)
    case.check("passes", [int(each) for each in passes])
    wanted = next(n for n in range(1, len(groups) + 1) if chosen.prompts(n) == len(groups))
    kept = [groups.index(group) for group in chosen.among(groups, wanted)]
    case.check("n_kept", len(kept))
    case.check("kept_must_include", [place for place in kept if passes[place]])
    case.check("filled_with_failing", sum(not passes[place] for place in kept))
