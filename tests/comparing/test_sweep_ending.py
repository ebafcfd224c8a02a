"""A sweep ends with one table of its members, or a table each where they cannot be compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from etude.launch.seeing import status
from etude.view.ending import end_lines
from etude.view.record import RunRecord
from evidence import Recorded, done, samples


@pytest.fixture
def made(tmp_path: Path) -> Recorded:
    made = Recorded(tmp_path / "outputs")
    random = np.random.default_rng(5)
    for number, objective in enumerate(("grpo", "dapo", "rloo")):
        for seed in (1, 2):
            key = f"{objective}{seed}"
            right = random.random((30, 4)) < 0.2 + 0.3 * number
            made.stage(key)
            made.evaluation(f"e{key}", samples(right), key)
            made.member([f"objective={objective}", f"seed={seed}"], key, f"e{key}")
    return made


def ended(made: Recorded) -> str:
    record = RunRecord()
    for key in made.graph.stages:
        record.stage(key).state = "done"
    for key in made.graph.evaluations:
        record.evaluations[key] = {"metrics": {"pass@1": {"value": 0.25}}}
    return "\n".join(end_lines(made.graph, record, 200))


def test_the_members_are_in_one_table_with_a_sentence_each(made: Recorded) -> None:
    made.finish()
    text = ended(made)
    assert text.count("pass@1 on 30 problems") == 1
    assert "pass@1 before" not in text
    assert "objective=rloo is better than objective=grpo by" in text
    assert "next     " in text
    assert "etude compare 77aa" in text


def test_status_shows_the_same_table(made: Recorded) -> None:
    made.finish()
    table = [line for line in ended(made).splitlines() if "objective=dapo" in line]
    told = "\n".join(status.lines(made.outputs, "77aa"))
    assert all(line.strip() in told for line in table)


def test_many_members_get_one_sentence(made: Recorded) -> None:
    for number in range(4):
        key = f"more{number}"
        made.stage(key)
        made.evaluation(f"e{key}", samples(np.zeros((30, 4), dtype=bool)), key)
        made.member([f"objective=m{number}", "seed=1"], key, f"e{key}")
    made.finish()
    text = ended(made)
    assert "more than noise from objective=grpo: " in text
    assert "is better than" not in text


def no_samples(made: Recorded) -> None:
    """Leave the evaluations as those are that keep no answers."""
    for folder in (made.outputs / "evaluations").iterdir():
        (folder / "samples.jsonl").write_text("")
        done(folder, "rl", folder.name.rpartition("-")[2])


def test_what_cannot_be_compared_has_a_table_each(made: Recorded) -> None:
    no_samples(made)
    made.finish()
    text = ended(made)
    assert text.count("pass@1 before") == 6
    assert "sweep  objective=dapo seed=2" in text


def test_a_single_run_keeps_its_own_table(made: Recorded) -> None:
    del made.graph.runs[1:]
    made.finish()
    text = ended(made)
    assert text.count("pass@1 before") == 1
    assert "etude compare" not in text
