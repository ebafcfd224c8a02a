"""A verifier of a file that wraps a rule and asks another model: trained, killed, measured.

The component is that of docs/judges.md; what it makes of a row depends on the row alone, so a run
that is killed ends as a whole one, and an evaluation of its own is the one made in training.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from warm_commands import ROWS, Moment, Place, small

pytestmark = pytest.mark.slow

FILE = Path(__file__).parents[1] / "second_opinion.py"
PAGE = Path(__file__).parents[2] / "docs/judges.md"
COMMAND = (
    "recipe=rl",
    *small(ROWS, "training.steps"),
    "training.steps=4",
    "verifier=./second_opinion.py:SecondOpinion",
    # What an untrained model believes of an answer: so some are overruled, and some are not.
    "verifier.trust=5e-7",
    "models.judge=base",
    "execution.checkpoint_every=2",
    "execution.evaluate_every=4",
)
LINES = ("metrics.jsonl", "samples.jsonl", "evaluations.jsonl", "evaluation_samples.jsonl")


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.open()]


def test_the_page_shows_the_verifier_that_is_tried_here() -> None:
    assert f"```python\n{FILE.read_text()}```" in PAGE.read_text()


def test_it_judges_in_training_goes_on_to_the_bit_and_measures_alike_in_and_after_it(
    here: Place, elsewhere: Callable[[str], Place]
) -> None:
    here.with_files(FILE)
    ended = here.train(*COMMAND)
    assert ended.code == 0, ended.said
    folder, whole = here.stage(), here.kept(*LINES)
    told = lines(folder / "metrics.jsonl")
    assert all(0 < line["verifier/overruled"] < 1 for line in told)
    assert all(line["gradient_norm"] > 0 for line in told)
    rows = lines(folder / "samples.jsonl")
    assert all(
        ("belief" in row["parts"]) == (not row["extracted"] or not right(row)) for row in rows
    )

    (measured,) = (here.folder / "outputs/evaluations").glob("rl-*")
    result = json.loads((measured / "result.json").read_text())
    (inside,) = lines(folder / "evaluations.jsonl")
    assert {key: inside[key] for key in result} == result
    in_training = lines(folder / "evaluation_samples.jsonl")
    own = lines(measured / "samples.jsonl")
    assert [{key: row[key] for key in own[0]} for row in in_training] == own
    asked = [row for row in own if "belief" in row["parts"]]
    assert asked
    assert all(row["outcome"] != "correct" for row in asked)  # the judge decides no measure

    there = elsewhere("killed").with_files(FILE)
    moments = (
        Moment("etude.verifier.opened:Judging.verify", 3),
        Moment("etude.learner.trainee:Trainee.update", 3),
        Moment("etude.execute.checkpoint:write", 1),
    )
    there.train_through_kills(moments, *COMMAND)
    assert there.kept(*LINES) == whole


def right(row: dict[str, Any]) -> bool:
    """Tell whether the rule found an answer right, whatever the judge made of it."""
    return row["extracted"] is not None and float(row["extracted"]) == float(row["answer"])
