"""The curriculum of docs/curricula.md: it goes by shares of right answers and has problems made."""

from __future__ import annotations

import runpy
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from etude.feedback import RowRecord, StepFeedback
from etude.rows import Outcome

FILE = Path(__file__).parents[1] / "frontier.py"
PAGE = Path(__file__).parents[2] / "docs/curricula.md"
CHOSEN = (f"curriculum={FILE}:Frontier", "curriculum.more=6", "execution.samples=200")


def test_the_page_shows_the_curriculum_that_is_tried_here() -> None:
    assert f"```python\n{FILE.read_text()}```" in PAGE.read_text()


def test_problems_become_harder_when_enough_made_ones_are_solved() -> None:
    names = runpy.run_path(str(FILE))
    edge = names["Edge"](names["Frontier"](digits=2.0, rise=0.5), {})

    def hears(right: int, wrong: int, **columns: Any) -> float:
        rows = [
            RowRecord("a:1", 0, "a", columns, 1, outcome)
            for outcome, count in ((Outcome.CORRECT, right), (Outcome.WRONG, wrong))
            for _ in range(count)
        ]
        edge.observe(StepFeedback(0, 1, {}, rows=rows))
        return float(edge.plan(1).draw.parameters["arithmetic"][0]["digits"])

    assert hears(9, 0) == 2.0  # rows that were not made
    assert hears(2, 2, parameters={}) == 2.0
    assert hears(3, 2, parameters={}) == 2.5
    assert edge.state_dict() == {"digits": 2.5}


@pytest.mark.slow
def test_it_goes_on_from_its_first_step_to_the_bit(short_run: Any) -> None:
    lengths = "+reward_weighting.weights.length=0.1"  # differ, whatever is right
    found = short_run(*CHOSEN, lengths, "curriculum.digits=1.4", steps=4)
    assert found[1]["reward/std"] > 0 and found[3]["data_mix/history/rows"] > 16


@pytest.mark.slow
def test_unsolved_problems_get_more_answers_and_made_ones_as_many_as_usual(
    stage_from: Any,
) -> None:
    stage = stage_from(*CHOSEN, "training.steps=3", "curriculum.digits=4.5")
    unsolved: set[str] = set()
    for step in range(3):
        counted = Counter(sample["id"] for sample in stage.step(step).samples)
        usual = {row: 6 if row in unsolved and step != 1 else 4 for row in counted}
        assert counted == usual
        unsolved = {row for row, visits in stage.history.items() if visits.correct == 0}
        if step == 1:
            assert all(max(map(len, row[11:].replace("-", "+").split("+"))) > 3 for row in counted)
    assert unsolved
