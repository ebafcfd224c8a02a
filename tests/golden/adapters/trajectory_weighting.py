"""How likely each logged trajectory is to be drawn, and which returned most."""

from __future__ import annotations

from typing import Any

import numpy as np

from etude.data_mix.filter.top_returns import TopReturns
from etude.data_mix.sampling.return_weighted import ReturnWeighted

METHOD = "trajectory_weighting"
CONFIG = {"temperature", "top_fraction"}
INPUTS = {"returns", "lengths"}


def run(case: Any) -> None:
    temperature = case.config.take("temperature")
    returns, lengths = case.inputs.take("returns"), case.inputs.take("lengths")
    given = case.inputs.take("initial_features")
    features = [f"s{k}" for k in range(len(given[0]))]
    rows = {
        "reward": returns,
        "length": lengths,
        **{name: [row[k] for row in given] for k, name in enumerate(features)},
    }
    for kind, baseline in (("rw", "none"), ("aw", "linear")):
        sampling = ReturnWeighted(
            temperature=temperature, baseline=baseline, features=features, length_column="length"
        )
        found = sampling.weigh({name: rows[name] for name in sampling.columns()}).probabilities
        assert found is not None
        case.check(f"{kind}_trajectory_probs", found.tolist())
        alike = np.repeat(found / np.array(lengths), lengths)
        case.check(f"{kind}_transition_probs", alike.tolist())
    case.check("baseline_value", sampling.expected(rows).tolist())
    kept = TopReturns(fraction=case.config.take("top_fraction")).choose(rows).kept
    best = sorted(np.flatnonzero(kept).tolist(), key=lambda row: -returns[row])
    case.check("top_indices", best)
