"""Whether intervals hold the truth as often as they say, counted over thousands of made-up cases.

The figures of docs/compare.md: ``python tests/statistics/test_coverage_by_simulation.py`` prints
them. Everything is drawn from numpy's generators with fixed seeds.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pytest

from etude.statistics.effects import difference, mean_effect, share_interval

PROBLEMS = 256
CASES = 5000

#: How pass rates of problems are spread (beta distribution), and answers to each problem.
SPREADS = [(0.5, 0.5), (1.0, 1.0), (0.3, 3.0), (2.0, 0.1), (0.05, 2.0)]
TRIES = [1, 8]

#: Spread of seeds, of problems and of the rest, as differences between two methods have them.
CROSSED = [(0.05, 0.3, 0.3), (0.02, 0.3, 0.3), (0.0, 0.3, 0.3), (0.05, 0.0, 0.3), (0.02, 0.1, 0.35)]

long = pytest.mark.skipif(not os.environ.get("ETUDE_LONG"), reason="minutes: make test-long")


def covered(spread: tuple[float, float], tries: int, cases: int = CASES) -> float:
    """Return how often the interval of a pass rate holds that of all problems there could be."""
    random = np.random.default_rng([1, tries])
    a, b = spread
    rates = random.beta(a, b, size=(cases, PROBLEMS))
    values = random.binomial(tries, rates) / tries
    ends = np.array([share_interval(mean_effect(each)) for each in values])
    return float(((ends[:, 0] <= a / (a + b)) & (a / (a + b) <= ends[:, 1])).mean())


def rejected(spread: tuple[float, float], tries: int, other: bool, cases: int = CASES) -> float:
    """Return how often two models that are equally good are told apart.

    Equally good on every problem, or (``other``) on average alone, each on problems of its own.
    """
    random = np.random.default_rng([2, tries, other])
    rates = random.beta(*spread, size=(cases, PROBLEMS))
    others = random.beta(*spread, size=(cases, PROBLEMS)) if other else rates
    first, second = (random.binomial(tries, each) / tries for each in (rates, others))
    pairs = zip(first, second, strict=True)
    return float(np.mean([difference(one, two).p < 0.05 for one, two in pairs]))


def over_seeds(
    seeds: int, parts: tuple[float, float, float], cases: int = CASES
) -> tuple[float, float]:
    """Return how often the interval holds the truth, and how often a bootstrap of seeds does."""
    random = np.random.default_rng([3, seeds])
    held = boot = 0
    for _ in range(cases):
        values = random.normal(0, parts[0], (seeds, 1)) + random.normal(0, parts[1], (1, PROBLEMS))
        values = values + random.normal(0, parts[2], (seeds, PROBLEMS))
        low, high = mean_effect(values).interval()
        held += low <= 0 <= high
        drawn = values.mean(axis=1)[random.integers(seeds, size=(500, seeds))].mean(axis=1)
        low, high = np.quantile(drawn, [0.025, 0.975])
        boot += low <= 0 <= high
    return held / cases, boot / cases


@long
@pytest.mark.parametrize("tries", TRIES)
@pytest.mark.parametrize("spread", SPREADS)
def test_an_interval_over_problems_holds_the_truth_as_often_as_it_says(
    spread: tuple[float, float], tries: int
) -> None:
    assert 0.93 <= covered(spread, tries) <= 0.97


@long
@pytest.mark.parametrize("other", [False, True])
@pytest.mark.parametrize("tries", TRIES)
@pytest.mark.parametrize("spread", SPREADS)
def test_two_equal_models_are_told_apart_in_one_of_twenty_cases(
    spread: tuple[float, float], tries: int, other: bool
) -> None:
    assert 0.04 <= rejected(spread, tries, other) <= 0.06


@long
@pytest.mark.parametrize("parts", CROSSED)
@pytest.mark.parametrize("seeds", [3, 5])
def test_few_seeds_make_an_interval_as_wide_as_they_must(
    seeds: int, parts: tuple[float, float, float]
) -> None:
    held, boot = over_seeds(seeds, parts, 2000)
    assert held >= 0.92
    assert boot < held - 0.05


def test_the_level_is_right_in_a_few_hundred_cases() -> None:
    """The same in short: a test at another level, or an interval without pairs, is noticed."""
    assert 0.02 <= rejected((1.0, 1.0), 8, False, 400) <= 0.09
    assert covered((1.0, 1.0), 8, 400) >= 0.91


def figures() -> Iterator[str]:
    """Yield the table of docs/compare.md."""
    yield "| pass rates | answers | interval holds | equal models told apart | equal on average |"
    yield "| --- | --- | --- | --- | --- |"
    for spread in SPREADS:
        for tries in TRIES:
            found = (covered(spread, tries), *(rejected(spread, tries, o) for o in (False, True)))
            numbers = " | ".join(f"{100 * each:.1f} %" for each in found)
            yield f"| beta{spread} | {tries} | {numbers} |"
    yield ""
    yield "| seeds | spread of seeds, problems, rest | interval holds | bootstrap of seeds holds |"
    yield "| --- | --- | --- | --- |"
    for seeds in (2, 3, 5):
        for parts in CROSSED:
            numbers = " | ".join(f"{100 * each:.1f} %" for each in over_seeds(seeds, parts))
            yield f"| {seeds} | {parts} | {numbers} |"


if __name__ == "__main__":
    print("\n".join(figures()))
