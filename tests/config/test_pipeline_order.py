"""The order of stages, what they wait for and where they start."""

from __future__ import annotations

from typing import Any

import pytest

from etude.config.pipeline import expand
from etude.errors import ConfigError


def steps(pipeline: list[str], stages: dict[str, Any], **root: Any) -> list[tuple[Any, ...]]:
    found = expand({"pipeline": pipeline, "stages": stages, **root})
    return [(step.name, step.after, step.start_from) for step in found]


def messages(pipeline: list[str], stages: dict[str, Any], **root: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        steps(pipeline, stages, **root)
    return [str(fault) for fault in caught.value.faults]


def test_the_pipeline_alone_gives_the_order() -> None:
    assert steps(["b", "a"], {"a": {}, "b": {}}) == [("b", (), None), ("a", ("b",), None)]


def test_the_pipeline_selects_and_the_first_begins_at_the_base_or_where_the_root_says() -> None:
    assert steps(["b"], {"a": {}, "b": {}}) == [("b", (), None)]
    assert steps(["b"], {"a": {}, "b": {}}, start_from="runs/x") == [("b", (), "runs/x")]


def test_after_and_start_from_are_the_stages_own() -> None:
    stages = {"a": {}, "b": {"after": []}, "c": {"after": ["a", "b"], "start_from": "a"}}
    assert steps(["a", "b", "c"], stages, start_from="X") == [
        ("a", (), "X"),
        ("b", (), "X"),
        ("c", ("a", "b"), "a"),
    ]


def test_a_stage_that_is_left_out_is_not_waited_for() -> None:
    assert steps(["b"], {"a": {}, "b": {"after": "a"}}) == [("b", (), None)]


def test_start_from_a_stage_that_is_left_out_needs_a_path() -> None:
    stages = {"a": {}, "b": {"start_from": "a"}}
    assert "not in the pipeline" in messages(["b"], stages)[0]
    assert steps(["b"], stages, start_from="P") == [("b", (), "P")]


def test_repeat_makes_copies_that_follow_each_other() -> None:
    stages = {"a": {}, "b": {"repeat": {"times": 2}}, "c": {"start_from": "b"}}
    assert steps(["a", "b", "c"], stages) == [
        ("a", (), None),
        ("b-1", ("a",), None),
        ("b-2", ("b-1",), None),
        ("c", ("b-2",), "b-2"),
    ]


def test_repeat_of_several_stages_means_the_copies_of_the_same_round() -> None:
    stages = {
        "sample": {},
        "improve": {
            "after": ["sample"],
            "start_from": "improve",
            "repeat": {"times": 2, "stages": ["sample", "improve"]},
        },
    }
    assert steps(["sample", "improve"], stages) == [
        ("sample-1", (), None),
        ("improve-1", ("sample-1",), None),
        ("sample-2", ("improve-1",), None),
        ("improve-2", ("sample-2",), "improve-1"),
    ]
    expanded = expand({"pipeline": ["sample", "improve"], "stages": stages})
    assert expanded[3].renamed["sample"] == "sample-2"


def test_stages_that_redraw_are_told_the_number_of_their_round() -> None:
    repeat = {"times": 3, "stages": ["sample", "improve"], "redraw": ["sample"]}
    stages = {"sample": {}, "improve": {"repeat": repeat}}
    expanded = expand({"pipeline": ["sample", "improve"], "stages": stages})
    assert [step.redraw for step in expanded] == [0, 0, 2, 0, 3, 0]
    repeat["redraw"] = ["smaple"]
    assert messages(["improve"], stages) == [
        "stages.improve.repeat.redraw  the rounds have no stage 'smaple', only sample, improve."
    ]


def test_every_name_that_means_nothing_is_reported() -> None:
    stages = {"sft": {"after": ["slf"]}, "rl": {"repeat": {"times": 2, "stages": ["lr"]}}}
    found = messages(["sft", "rl"], stages)
    assert any("there is no stage 'slf'" in text for text in found)
    assert any("there is no stage 'lr'" in text for text in found)
    assert "Did you mean sft?" in messages(["stf"], stages)[0]
    assert "is empty" in messages([], stages)[0]
    assert "twice" in messages(["sft", "sft"], {"sft": {}})[0]
