"""A live component of a file: trains, is killed and goes on to the bit, and reads measures again.

The component is that of docs/live.md: it counts, remembers, and asks for an evaluation every two
steps, by which it moves what the stage does.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from warm_commands import ROWS, Moment, Place, left_over, small

pytestmark = pytest.mark.slow

FILE = Path(__file__).parents[1] / "patience.py"
PAGE = Path(__file__).parents[2] / "docs/live.md"
COMMAND = (
    "recipe=rl",
    *small(ROWS, "training.steps"),
    "training.steps=5",
    "curriculum=./patience.py:Patience",
    "curriculum.every=2",
    "curriculum.start=4",
    "curriculum.rise=3",
    "execution.checkpoint_every=3",
)
LINES = ("metrics.jsonl", "samples.jsonl", "evaluations.jsonl", "evaluation_samples.jsonl")


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.open()]


def test_the_page_shows_the_component_that_is_tried_here() -> None:
    assert f"```python\n{FILE.read_text()}```" in PAGE.read_text()


def test_it_moves_the_stage_and_goes_on_after_kills_to_the_bit(
    here: Place, elsewhere: Callable[[str], Place]
) -> None:
    here.with_files(FILE)
    ended = here.train(*COMMAND)
    assert ended.code == 0, ended.said
    whole = here.kept(*LINES)
    told = [json.loads(line) for line in whole["metrics.jsonl"].splitlines()]
    assert [line["curriculum/limit"] for line in told] == [4, 7, 7, 10, 10]
    rows = [line["rollout/rows"] for line in told]
    assert [line["curriculum/seen"] for line in told] == [sum(rows[: n + 1]) for n in range(5)]
    assert [line["rollout/length_max"] for line in told] == [4, 4, 7, 7, 10]
    measured = [json.loads(line) for line in whole["evaluations.jsonl"].splitlines()]
    assert [line["step"] for line in measured] == [2, 4]
    assert not left_over(str(here.folder))

    there = elsewhere("killed").with_files(FILE)
    moments = (
        Moment("etude.learner.trainee:Trainee.update", 2),
        # After the evaluation of step 4 was written, and before there is a checkpoint of it.
        Moment("etude.learner.trainee:Trainee.update", 5),
        Moment("etude.execute.checkpoint:write", 1),
    )
    there.train_through_kills(moments, *COMMAND)
    assert [line["step"] for line in lines(there.stage() / "attempts/2/evaluations.jsonl")] == [
        2,
        4,
    ]
    assert there.kept(*LINES) == whole


def test_an_evaluation_that_is_also_due_by_execution_is_made_once(here: Place) -> None:
    here.with_files(FILE)
    ended = here.train(*COMMAND, "execution.evaluate_every=4", "training.hand_on=best")
    assert ended.code == 0, ended.said
    measured = [line["step"] for line in lines(here.stage() / "evaluations.jsonl")]
    assert measured == [2, 4, 5]
