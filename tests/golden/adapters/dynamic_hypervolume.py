"""A factor on rewards by how much a measurement extends the front."""

from __future__ import annotations

from typing import Any

from etude.reward_weighting.hypervolume import Hypervolume

METHOD = "dynamic_reward_weighting"
CONFIG = {"maximize"}
INPUTS = {"buffer_first_is_reference", "current"}


def run(case: Any) -> None:
    assert case.config.take("kind") == "hypervolume"
    large = case.config.take("maximize")
    names = [f"objective{k}" for k in range(len(large))]
    weighting = Hypervolume(
        maximised=[name for name, up in zip(names, large, strict=True) if up],
        minimised=[name for name, up in zip(names, large, strict=True) if not up],
        normalise=case.config.take("normalise", False),
    )
    reference, *reached = [
        weighting.point(dict(zip(names, point, strict=True)))
        for point in case.inputs.take("buffer_first_is_reference")
    ]
    state = {**weighting.start(0), "points": [reference, *reached]}
    current = dict(zip(names, case.inputs.take("current"), strict=True))
    found = weighting.measured(state, weighting.point(current))
    case.check("meta_reward", found["factor"])
    case.check("hv_contribution", found["contribution"])
    case.check("append_to_buffer", len(found["points"]) - len(state["points"]))
