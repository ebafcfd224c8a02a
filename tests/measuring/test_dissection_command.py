"""`etude measure dissection` over two evaluations of that kind."""

from __future__ import annotations

import pytest
from folders import published, said, told

from etude.cli.etude import main as etude


def records(right):
    """Return samples of two problems: what was asked → whether its answer was right."""
    found = []
    for asked, ok in right.items():
        problem, mark, part = asked.partition("#")
        way = "subproblems" if part.startswith("part") else part if mark else "alone"
        outcome = "correct" if ok else "wrong"
        level = 1 if problem == "a" else 2
        about = {"problem": problem, "way": way, "level": level}
        found.append({"id": asked, "index": 0, "outcome": outcome, **about})
        found.append({"id": asked, "index": 1, "outcome": "crashed", **about})  # no verdict
    return found


BEFORE = {"a": 0, "b": 0, "a#plan": 0, "b#plan": 1, "a#part0": 1, "a#part1": 0}
AFTER = {"a": 1, "b": 0, "a#plan": 1, "b#plan": 1, "a#part0": 1, "a#part1": 1}


@pytest.fixture
def outputs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "outputs" / "evaluations"
    for name, right in (("base", BEFORE), ("rl", AFTER)):
        published(place / f"{name}.why-1", result={"metrics": {}}, samples=records(right))
    plain = [{"id": "a", "outcome": "correct"}]
    published(place / "plain-1", result={"metrics": {}}, samples=plain)
    return tmp_path


def test_numbers_and_effects_are_compared_and_told_by_level(outputs, capsys):
    found = told(capsys, "dissection", "base", "rl")
    whole = {each["name"]: each for each in found["all"]}
    assert (whole["accuracy"]["before"], whole["accuracy"]["after"]) == (0, 0.5)
    assert (whole["plan_change"]["before"], whole["plan_change"]["after"]) == (0.5, 0.5)
    assert whole["plan"]["change"]["value"] == 0.5 and whole["plan"]["problems"] == 2
    assert (whole["subproblems"]["before"], whole["subproblems"]["after"]) == (0.5, 1)
    assert whole["all_subproblems"]["change"]["value"] == 1
    assert whole["whole_alone"]["after"] == 0 and "knowledge" not in whole
    level = {each["name"]: each for each in found["level 2"]}
    assert level["plan_change"]["before"] == 1 and "subproblems" not in level


def test_a_person_reads_a_table_for_all_and_for_each_level(outputs, capsys):
    text = said(capsys, "dissection", "base", "rl")
    assert "what the plan changes" in text and "level 1" in text and "level 2" in text
    assert "+0.500" in text


def test_an_evaluation_of_another_kind_is_refused(outputs, capsys):
    assert etude(["measure", "dissection", "base", "plain"]) == 1
    assert "is no dissection" in capsys.readouterr().err
