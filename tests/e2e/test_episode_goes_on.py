"""Episodes and a decoder part of a file: each trains, is killed and goes on to the bit.

The components are those of docs/episodes.md.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from warm_commands import ROWS, Moment, Place, left_over, small

pytestmark = pytest.mark.slow

TESTS = Path(__file__).parents[1]
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


def put(place: Place) -> Place:
    for name in ("second_thought.py", "two_voices.py"):
        shutil.copy(TESTS / name, place.folder)
    return place


def kept(place: Place) -> dict[str, bytes]:
    (folder,) = (place.folder / "outputs/stages").glob("rl-*")
    return {name: (folder / name).read_bytes() for name in (*LINES, "model/model.safetensors")}


@pytest.mark.parametrize("chosen", CASES.values(), ids=CASES)
def test_it_goes_on_after_kills_to_the_bit(
    chosen: tuple[str, ...], here: Place, elsewhere: Callable[[str], Place]
) -> None:
    put(here)
    ended = here.train(*COMMAND, *chosen)
    assert ended.code == 0, ended.said
    whole = kept(here)
    told = [json.loads(line) for line in whole["metrics.jsonl"].splitlines()]
    assert len(told) == 4 and any(line["gradient_norm"] > 0 for line in told)

    there = put(elsewhere("killed"))
    for moment in (
        Moment("etude.rollout.playing:Playing.sample", 2),  # within an episode
        Moment("etude.learner.trainee:Trainee.update", 3),
        Moment("etude.execute.checkpoint:write", 1),
    ):
        started = there.start("train", *COMMAND, *chosen, at=moment)
        started.reach()
        started.kill()
        assert not left_over(started.mark)
    ended = there.train(*COMMAND, *chosen)
    assert ended.code == 0, ended.said
    assert kept(there) == whole
