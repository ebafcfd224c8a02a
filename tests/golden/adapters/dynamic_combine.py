"""The weighted sum under a factor."""

from __future__ import annotations

from typing import Any

from etude.reward_weighting.hypervolume import Hypervolume

METHOD = "dynamic_reward_weighting"
CONFIG = {"weights", "meta_reward"}
INPUTS = {"scores"}


def run(case: Any) -> None:
    assert case.config.take("kind") == "combine"
    weights = {f"part{k}": w for k, w in enumerate(case.config.take("weights"))}
    parts = dict(zip(weights, case.inputs.tensor("scores").unbind(-1), strict=True))
    weighting = Hypervolume(weights=weights)
    state = {**weighting.start(0), "factor": case.config.take("meta_reward")}
    found = weighting.combine(parts, state=state)
    case.check("rewards", found.rewards)
    assert found.weights == {name: state["factor"] * w for name, w in weights.items()}
