"""Recipes with a gate within a stage and with a warm start, killed at random, equal a whole run."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from whole_runs import differences, killed_at_random, metrics, results, seconds

from warm_commands import SMALL, Place

pytestmark = pytest.mark.slow

COMMON = (
    *SMALL,
    "execution.checkpoint_every=1",
    "execution.keep=3",
    "stages.sft.optimizer.lr=1e-3",
    "optimizer.lr=1e-2",
    "rollout.stop_token_ids=[3,5,7,11,13,17,19,23,29,31]",  # lengths differ
    "+reward_weighting.weights.length=0.1",  # an untrained model differs in nothing else
    "stages.sft.training.steps=2",
)


@dataclass(frozen=True)
class Steered:
    """A recipe, what makes it small, and the steps of its stages."""

    words: tuple[str, ...]
    steps: dict[str, int]


RECIPES = {
    "gated": Steered(
        (
            "stages.offline.rollout.gate.every=1",
            "stages.offline.rollout.gate.metric=length",
            "stages.offline.rollout.gate.delta=0",
            "stages.offline.rollout.gate.on_reject=revert",
            "stages.offline.rollout.gate.patience=null",
            "stages.offline.training.steps=6",
            "stages.online.training.steps=1",
        ),
        {"sft": 2, "offline": 6, "online": 1},
    ),
    "warm_start": Steered(
        ("stages.rl.training.warm_start_steps=2", "stages.rl.training.steps=4"),
        {"sft": 2, "rl": 4},
    ),
}

#: Seed and kills of the runs of make test-long.
CAMPAIGN = [(seed, 4) for seed in range(1, 11)] if os.environ.get("ETUDE_LONG") else []

Whole = dict[str, tuple[dict[str, bytes], float]]


def command(name: str) -> tuple[str, ...]:
    return (f"recipe={name}", *COMMON, *RECIPES[name].words)


@pytest.fixture(scope="module")
def whole(elsewhere: Callable[[str], Place]) -> Whole:
    """What an uninterrupted run of each gives, and the seconds it trained."""
    found = {}
    for name, recipe in RECIPES.items():
        place = elsewhere(name)
        ended = place.train(*command(name))
        assert ended.code == 0, ended.said
        found[name] = results(place.folder, recipe.steps), seconds(place.folder)
    return found


def test_the_gate_accepts_and_rejects_and_the_warm_start_ends(whole: Whole) -> None:
    # Else the other tests would hold what never happened to itself.
    last = metrics(whole["gated"][0], "offline")[-1]
    assert last["rollout/gate/accepted"] > 0 and last["rollout/gate/rejected"] > 0, last
    lines = metrics(whole["warm_start"][0], "rl")
    assert ["update/warm_start" in line for line in lines] == [True, True, False, False]
    assert all(line["critic/gradient_norm"] > 0 for line in lines), lines[0]


@pytest.mark.parametrize(("seed", "kills"), [(0, 1), *CAMPAIGN])
@pytest.mark.parametrize("name", RECIPES)
def test_killed_at_random_moments_it_ends_the_same(
    name: str, seed: int, kills: int, here: Place, whole: Whole
) -> None:
    found, within = whole[name]
    killed_at_random(here, command(name), kills=kills, within=within, seed=seed)
    ended = here.train(*command(name))
    assert ended.code == 0, ended.said
    assert not differences(results(here.folder, RECIPES[name].steps), found)
