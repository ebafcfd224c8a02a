"""The detectors that self-critique is compared with."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from etude.evaluation import detectors
from etude.evaluation.detectors import DIRECTIONS, TokenStatistics

METHOD = "contamination"
CONFIG = {"methods", "directions"}
INPUTS = {"items"}

NAMES = {
    "perplexity": "perplexity",
    "min_k_20": "min_k",
    "min_k_plus_plus_20": "min_k_plus_plus",
    "cdd_alpha_0.05": "cdd",
    "cdd_alpha_0.5": "cdd",
    "dime": "perturbed",
    "recall": "recall",
}


def statistics(result: dict[str, Any]) -> TokenStatistics:
    empty = [math.nan] * len(result["logprobs"])
    keys = ("entropies", "mus", "sigmas", "logprobs")
    return TokenStatistics(*(np.array(result.get(key, empty), dtype=float) for key in keys))


def run(case: Any) -> None:
    assert {NAMES[name] for name in case.config.take("methods")} <= DIRECTIONS.keys()
    for name, direction in case.config.take("directions").items():
        assert DIRECTIONS[NAMES[name]] == direction
    found: dict[str, list[float]] = {name: [] for name in NAMES}
    for item in case.inputs.take("items"):
        greedy = item["original_greedy_results"][0]
        plain = statistics(greedy)
        perturbed = statistics(item["perturbed_greedy_results"][0])
        sampled = [each["token_ids"] for each in item["original_random_results"]]
        found["perplexity"].append(detectors.perplexity(plain))
        found["min_k_20"].append(detectors.min_k(plain))
        found["min_k_plus_plus_20"].append(detectors.min_k_plus_plus(plain))
        for alpha in (0.05, 0.5):
            found[f"cdd_alpha_{alpha}"].append(detectors.cdd(greedy["token_ids"], sampled, alpha))
        found["dime"].append(detectors.alike(plain.entropies, perturbed.entropies))
        found["recall"].append(detectors.recall(plain, perturbed))
    for name, values in found.items():
        case.check_if_given(name, ["nan" if math.isnan(each) else each for each in values])
