"""A function judges answers in worker processes; its failures are failures, never zeros."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from written import write

from etude.build import build
from etude.config.installation import installed
from etude.rows import Candidate, Outcome, Verdict


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _verdicts(text: str, *responses: str, folder: Path, **options: Any) -> list[Verdict]:
    write(folder, own=text)
    node = {"name": "./own.py:score", **options}
    verifier = build(node, "verifier", installed().schema)
    rows = [
        Candidate(str(number), 0, "1+1=", text, {"answer": "2", "unit": None}, length=3)
        for number, text in enumerate(responses)
    ]
    with verifier.open(2) as judge:
        return list(judge.verify(rows))


def test_a_number_is_accuracy_and_right_where_it_reaches_solved(tmp_path: Path) -> None:
    text = "def score(response):\n    return len(response) / 4\n"
    half, whole = _verdicts(text, "ab", "abcd", folder=tmp_path)
    assert (half.outcome, half.parts) == (Outcome.WRONG, {"accuracy": 0.5})
    assert (whole.outcome, whole.parts) == (Outcome.CORRECT, {"accuracy": 1.0})
    (half,) = _verdicts(text, "ab", folder=tmp_path, solved=0.5)
    assert half.outcome is Outcome.CORRECT


def test_without_accuracy_the_sum_of_parts_decides_and_extracted_is_the_answer(
    tmp_path: Path,
) -> None:
    text = "def score(response):\n    return {'a': 0.5, 'b': 0.5, 'extracted': response}\n"
    (found,) = _verdicts(text, "x", folder=tmp_path)
    assert (found.outcome, found.parts, found.extracted) == (
        Outcome.CORRECT,
        {"a": 0.5, "b": 0.5},
        "x",
    )


def test_a_list_of_spans_is_a_part_that_lies_on_them(tmp_path: Path) -> None:
    text = """
    def score(response):
        steps = [(i, i + 1, 0.25) for i, sign in enumerate(response) if sign == "+"]
        return {"accuracy": 1.0, "steps": steps if len(response) < 9 else [(0, 1)]}
    """
    two, none, wrong = _verdicts(text, "a+b+", "ab", "abcdefghi", folder=tmp_path)
    assert two.parts == {"accuracy": 1.0, "steps": 0.5}
    assert two.spans == {"steps": [(1, 2, 0.25), (3, 4, 0.25)]}
    assert (none.parts["steps"], none.spans) == (0.0, {"steps": []})
    assert wrong.outcome is Outcome.CRASHED
    assert "a list is one of spans (start, end, value)" in str(wrong.detail)


def test_it_is_given_what_it_asks_for_by_name(tmp_path: Path) -> None:
    text = """
    def score(prompt, response, columns, id, length, truncated, answer, unit, *, scale=1.0):
        assert (prompt, columns["answer"], answer, unit) == ("1+1=", "2", "2", None)
        assert (id, length, truncated) == ("0", 3, False)
        return scale
    """
    (found,) = _verdicts(text, "2", folder=tmp_path, scale=0.25)
    assert found.parts == {"accuracy": 0.25}


def test_values_of_numpy_and_truth_values_are_numbers(tmp_path: Path) -> None:
    text = """
    import numpy as np


    def score(response):
        return {"a": np.float32(0.5), "b": np.array(1), "c": np.bool_(True), "d": True}
    """
    (found,) = _verdicts(text, "2", folder=tmp_path)
    assert found.parts == {"a": 0.5, "b": 1.0, "c": 1.0, "d": 1.0}


def test_one_row_that_raises_hangs_or_kills_its_worker_is_its_own_affair(tmp_path: Path) -> None:
    text = """
    import os
    import time

    import deep


    def score(response):
        if response == "raise":
            return deep.fails()
        if response == "hang":
            time.sleep(60)
        if response == "die":
            os._exit(3)
        return 1.0
    """
    write(tmp_path, deep="def fails():\n    return int('x')\n")
    good, raised, hung, died = _verdicts(
        text, "good", "raise", "hang", "die", folder=tmp_path, timeout=0.5
    )
    assert good.outcome is Outcome.CORRECT
    assert raised.outcome is Outcome.CRASHED and "ValueError" in str(raised.detail)
    assert str(raised.detail).endswith("(deep.py:2)")
    assert (hung.outcome, hung.parts) == (Outcome.TIMED_OUT, {})
    assert died.outcome is Outcome.CRASHED and "exited with code 3" in str(died.detail)


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        ("None", "score (own.py:1) returned None, a NoneType; it returns a number or a dict"),
        ("{'a': float('inf')}", "returned inf for the part 'a', which is no finite number"),
        ("[1.0]", "returned [1.0], a list"),
    ],
)
def test_what_is_no_number_is_a_failure_with_its_reason(
    returned: str, said: str, tmp_path: Path
) -> None:
    (found,) = _verdicts(f"def score(response):\n    return {returned}\n", "x", folder=tmp_path)
    assert (found.outcome, found.parts) == (Outcome.CRASHED, {})
    assert said in str(found.detail)
