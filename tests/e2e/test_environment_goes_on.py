"""A plain class of a person's file as an environment: it trains, is killed and goes on to the bit.

The class is that of docs/environments.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from warm_commands import PROBLEMS, ROWS, Moment, Place, small

pytestmark = pytest.mark.slow

SHOP = Path(__file__).parents[1] / "shop.py"
COMMAND = (
    "recipe=rl",
    *small(ROWS, PROBLEMS, "training.steps", "rollout.max_new_tokens"),
    "environment=./shop.py:Shop",
    "training.steps=4",
    "rollout.max_new_tokens=160",
    "rollout.episode.turns=3",
    "rollout.episode.turn_tokens=8",
    "execution.checkpoint_every=2",
)
LINES = ("metrics.jsonl", "samples.jsonl")


def test_it_goes_on_after_kills_within_an_episode_to_the_bit(
    here: Place, elsewhere: Callable[[str], Place]
) -> None:
    here.with_files(SHOP)
    ended = here.train(*COMMAND)
    assert ended.code == 0, ended.said
    whole = here.kept(*LINES)
    told = [json.loads(line) for line in whole["metrics.jsonl"].splitlines()]
    assert len(told) == 4 and any(line["gradient_norm"] > 0 for line in told)
    assert all(line["environment/turns"] > 1 for line in told)
    samples = [json.loads(line) for line in whole["samples.jsonl"].splitlines()]
    assert {turn["role"] for each in samples for turn in each["turns"]} == {"policy", "user"}
    assert {each["environment"]["name"] for each in samples} == {"environment"}

    there = elsewhere("killed").with_files(SHOP)
    moments = (
        Moment("etude.environment.pool:EnvironmentPool.ask", 9),  # within an episode
        Moment("etude.learner.trainee:Trainee.update", 3),
        Moment("etude.execute.checkpoint:write", 1),
    )
    there.train_through_kills(moments, *COMMAND)
    assert there.kept(*LINES) == whole
