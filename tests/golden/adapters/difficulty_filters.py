"""Three rules for groups side by side: rewards that differ, a band, and what is not drawn again."""

from __future__ import annotations

from typing import Any

from etude.curriculum.difficulty_band import DifficultyBand
from etude.objective.filter.band import Band
from etude.objective.filter.dynamic_sampling import DynamicSampling

METHOD = "difficulty_curriculum"
CONFIG = {"kind", "accuracy_lower", "accuracy_upper", "no_resampling_pass_rate"}
INPUTS = {"rewards"}


def run(case: Any) -> None:
    config = case.config
    config.choose("kind", {"filters": None})
    low, high = config.take("accuracy_lower"), config.take("accuracy_upper")
    curriculum = DifficultyBand(low=low, high=high, solved=config.take("no_resampling_pass_rate"))
    groups = case.inputs.take("rewards")
    rates = [sum(group) / len(group) for group in groups]
    case.check("pass_rate", rates)
    case.check("keep_nonzero_std", [int(keep) for keep in DynamicSampling().keep(groups)])
    kept = Band(low=low, high=high).keep(groups)
    assert kept == [bool(curriculum.inside(rate)) for rate in rates]
    case.check("keep_band_inclusive", [int(keep) for keep in kept])
    excluded = curriculum.excluded(rates, [1] * len(rates))
    case.check("exclude_from_future", [int(each) for each in excluded])
