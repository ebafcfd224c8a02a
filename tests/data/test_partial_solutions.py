"""Growing beginnings of solutions as rows of their own."""

from __future__ import annotations

import json

import pytest

from etude.sources.partial_solutions import PartialSolutions
from etude.sources.solution_chunks import chunks

ROWS = [
    {"problem": "a", "answer": 1, "solution": "One.\n\nTwo.\n\nThree."},
    {"problem": "b", "answer": 2, "solution": None},
]


@pytest.fixture
def source(tmp_path):
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return PartialSolutions(path=str(tmp_path), splits={"train": "rows.jsonl"})


def test_a_problem_is_offered_alone_and_behind_each_beginning(source):
    rows = source.rows("train", 0)
    assert len(rows) == 1 + 3 + 1 == len([*rows])
    assert [rows[n]["id"] for n in range(5)] == [
        "train-0.0",
        "train-0.1",
        "train-0.2",
        "train-0.3",
        "train-1.0",
    ]
    assert rows[2]["opened"] == "<think>\nOne.\nTwo.\n" and rows[2]["hint_level"] == 2
    assert rows[3]["opened"] == "<think>\nOne.\nTwo.\nThree.\n"
    assert [rows[n]["opened"] for n in (0, 4)] == ["", ""]
    assert {rows[n]["prompt"] for n in range(4)} == {"a"} and rows[4]["answer"] == "2"


def test_columns_are_those_of_the_rows(source):
    rows = source.rows("train", 0)
    for name in ("id", "prompt", "answer", "opened", "hint_level"):
        assert [*rows.column(name)] == [row[name] for row in rows]
        assert [*rows.column(name, [4, 1])] == [rows[4][name], rows[1][name]]
    found = source.first_look("train")
    assert found is not None and len(found[0]) == 5


@pytest.mark.parametrize(
    "text",
    [
        "1. Take 3. 2. Add 4.5 to it. 3. It is 7.5",
        "Step one: take 3. Step two: add 4. So, Result: it is 7. Done",
        "no stop at all",
        "A.\n\nB.\n\nC.\n\nD.\n\nE.",
        "Is it? It is! So... it is 0.5 and 1.25. There. Here. Nowhere.",
    ],
)
@pytest.mark.parametrize("most", [1, 2, 4])
def test_chunks_hold_all_of_the_text_in_its_order(text, most):
    found = chunks(text, most)
    assert 1 <= len(found) <= most and all(found)
    assert "".join("".join(found).split()) == "".join(text.split())


def test_nothing_has_no_chunks():
    assert chunks("", 4) == chunks("  \n\n ", 1) == []
