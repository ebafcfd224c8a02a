"""Generated arithmetic: right, worked rightly, the same every time, and never in both splits."""

import re

import pytest

from etude.build import build
from etude.errors import ConfigError, DataError
from etude.rows import Candidate, Outcome
from etude.sources.arithmetic import Arithmetic
from etude.sources.arithmetic_levels import LEVELS
from etude.verifier.number import Number

SMALL = Arithmetic(train_size=300, test_size=100)


def rows_of(source: Arithmetic, split: str) -> list[dict]:
    rows = source.rows(split, seed=1)
    return [dict(rows[place]) for place in range(len(rows))]


@pytest.mark.parametrize("split", ["train", "test"])
def test_every_answer_and_every_worked_step_is_right(split):
    for row in rows_of(SMALL, split):
        assert str(eval(row["id"])) == row["answer"]
        *steps, final = row["solution"].split(" ")
        assert steps
        for step in steps:
            left, right = step.split("=")
            assert eval(left) == int(right), row
        assert final == f"A:{row['answer']}"
        assert int(row["answer"]) >= 0


def test_the_digits_of_single_operations_are_worked_from_the_right():
    steps = {row["prompt"]: row["solution"] for row in rows_of(Arithmetic(levels=3), "train")}
    addition = next(p for p in steps if re.fullmatch(r"\d[89]\+\d[89]=", p))
    units = sum(int(number[-1]) for number in addition[:-1].split("+"))
    assert steps[addition].startswith(f"{addition[1]}+{addition[4]}={units} ")
    assert "+1=" in steps[addition]  # the carry stands in the second step


def test_splits_share_no_problem_whatever_the_seeds_and_sizes():
    train = {row["id"] for row in rows_of(Arithmetic(seed=3, train_size=9000), "train")}
    for seed in range(3):
        test = {row["id"] for row in rows_of(Arithmetic(seed=seed, test_size=900), "test")}
        assert len(test) > 500
        assert not train & test


def test_no_problem_occurs_twice_and_levels_do_not_overlap():
    for split in ("train", "test"):
        ids = SMALL.rows(split, 1).column("id")
        assert len(ids) == len(set(ids))


def test_the_same_seed_gives_the_same_rows_and_another_seed_others():
    first = rows_of(SMALL, "train")
    assert first == rows_of(Arithmetic(train_size=300, test_size=100), "train")
    assert first != rows_of(Arithmetic(seed=5, train_size=300, test_size=100), "train")
    rows = SMALL.rows("train", seed=99)  # the run's seed does not choose problems
    assert dict(rows[7]) == first[7]


def test_every_level_is_there_and_short_enough_for_a_tiny_model():
    rows = rows_of(SMALL, "train")
    assert {row["level"] for row in rows} == set(range(1, len(LEVELS) + 1))
    assert SMALL.rows("train", 1).column("level") == [row["level"] for row in rows]
    easy = [row for row in rows if row["level"] <= 3]
    assert max(len(row["prompt"]) + len(row["solution"]) for row in easy) <= 40


def test_the_verifier_reads_the_answer_of_every_worked_solution():
    verifier = Number()
    for row in rows_of(SMALL, "test"):
        verdict = verifier.judge(Candidate(row["id"], 0, row["prompt"], row["solution"], row))
        assert verdict.outcome is Outcome.CORRECT
        assert verdict.parts["format"] == 1.0


def test_an_unknown_split_or_level_says_what_there_is():
    with pytest.raises(DataError, match="train and test"):
        SMALL.rows("validation", 1)
    with pytest.raises(ConfigError, match="levels is at most 9"):
        build({"name": "arithmetic", "levels": 12}, "sources")
