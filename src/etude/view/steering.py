"""What steered a stage, in a few words: what its curriculum, its budget and its weights came to."""

from __future__ import annotations

from collections.abc import Mapping

#: Where the numbers of what steers stand in a step's metrics.
PLACES = ("curriculum/", "rollout/budget/", "rollout/gate/", "reward_weighting/")

#: Numbers of each that are shown: its first ones.
MOST = 2


def steering(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return label → number of what steered a step: the first numbers of each that has some."""
    found: dict[str, float] = {}
    for place in PLACES:
        own = [key for key in metrics if key.startswith(place)]
        found |= {key.removeprefix(place).replace("_", " "): metrics[key] for key in own[:MOST]}
    return found


def written(value: float) -> str:
    """Return a number as it is shown: whole ones without decimals."""
    return f"{value:g}" if value == int(value) and abs(value) < 1e6 else f"{value:.2f}"


def moved(ends: Mapping[str, tuple[float, float]]) -> str:
    """Return how far numbers moved: ``limit 21 → 64, phase 1 → 3``."""
    said = []
    for label, (first, last) in ends.items():
        before, after = written(first), written(last)
        said.append(f"{label} {before}" if before == after else f"{label} {before} → {after}")
    return ", ".join(said)
