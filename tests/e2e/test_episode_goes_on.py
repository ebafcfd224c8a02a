"""Episodes and a decoder part of a file: each trains, is killed and goes on to the bit.

The components are those of docs/episodes.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from warm_commands import ROWS, Moment, Place, small

pytestmark = pytest.mark.slow

FILES = [Path(__file__).parents[1] / name for name in ("second_thought.py", "two_voices.py")]
COMMAND = (
    "recipe=rl",
    *small(ROWS, "training.steps"),
    "training.steps=4",
    "rollout.max_new_tokens=32",
    "+reward_weighting.weights.length=0.1",  # an untrained model differs in nothing else
    "execution.checkpoint_every=2",
)
CASES = {
    "two turns": ("rollout/episode=./second_thought.py:SecondThought", "rollout.episode.first=4"),
    "another role": (
        "rollout/episode=./second_thought.py:Critique",
        "rollout.episode.first=4",
        "models.judge=base",
    ),
    "two voices": ("rollout/logits=./two_voices.py:Mixture", "models.guide=base"),
}
LINES = ("metrics.jsonl", "samples.jsonl")


@pytest.mark.parametrize(
    "chosen",
    [
        # The one that has everything: turns, a role beside the policy, a model of its own.
        pytest.param(chosen, id=name, marks=[] if name == "another role" else [pytest.mark.long])
        for name, chosen in CASES.items()
    ],
)
def test_it_goes_on_after_kills_to_the_bit(
    chosen: tuple[str, ...], here: Place, elsewhere: Callable[[str], Place]
) -> None:
    here.with_files(*FILES)
    ended = here.train(*COMMAND, *chosen)
    assert ended.code == 0, ended.said
    whole = here.kept(*LINES)
    told = [json.loads(line) for line in whole["metrics.jsonl"].splitlines()]
    assert len(told) == 4 and any(line["gradient_norm"] > 0 for line in told)

    there = elsewhere("killed").with_files(*FILES)
    moments = (
        Moment("etude.rollout.playing:Playing.sample", 2),  # within an episode
        Moment("etude.learner.trainee:Trainee.update", 3),
        Moment("etude.execute.checkpoint:write", 1),
    )
    there.train_through_kills(moments, *COMMAND, *chosen)
    assert there.kept(*LINES) == whole
