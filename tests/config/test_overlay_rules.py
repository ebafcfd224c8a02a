"""What a stage's overlay does to the root."""

from __future__ import annotations

import copy
from typing import Any

from toy_tree import toy_schema

from etude.config.overlay import Overlays

SCHEMA = toy_schema()


def laid(root: dict[str, Any], over: dict[str, Any], *pinned: str) -> dict[str, Any]:
    return Overlays(SCHEMA).lay(root, over, frozenset(pinned))


ROOT = {
    "objective": {
        "name": "grpo",
        "cap": 2.0,
        "advantage": {"name": "group", "epsilon": 1e-3},
        "regularizer": {"kl": {"name": "kl", "coef": 0.1}},
    },
    "data_mix": {"name": "mix", "train": {"a": {"weight": 1.0}, "b": {"weight": 2.0}}},
    "training": {"name": "standard", "steps": 100},
    "execution": {"threads": 2, "keep": 2},
    "sources": {"a": {"name": "made"}},
    "seed": 1,
}


def test_what_a_stage_leaves_open_follows_the_root() -> None:
    stage = laid(ROOT, {"training": {"steps": 5}})
    assert stage["training"] == {"name": "standard", "steps": 5}
    assert stage["objective"] == ROOT["objective"]
    assert stage["seed"] == 1
    assert stage["sources"] == ROOT["sources"]


def test_another_name_replaces_the_whole_node() -> None:
    stage = laid(ROOT, {"objective": {"name": "sft", "loss": "dft"}})
    assert stage["objective"] == {"name": "sft", "loss": "dft"}


def test_the_same_name_and_no_name_merge() -> None:
    for name in ({}, {"name": "grpo"}):
        stage = laid(ROOT, {"objective": {**name, "cap": 3.0}})
        assert stage["objective"]["cap"] == 3.0
        assert stage["objective"]["advantage"] == {"name": "group", "epsilon": 1e-3}


def test_a_chosen_file_replaces_a_node_of_the_same_name() -> None:
    pinned = {"name": "grpo", "advantage": {"name": "plain"}}
    stage = laid(ROOT, {"objective": pinned}, "objective")
    assert stage["objective"] == pinned


def test_a_part_with_another_name_replaces_and_one_without_merges() -> None:
    other = laid(ROOT, {"objective": {"advantage": {"name": "plain"}}})
    assert other["objective"]["advantage"] == {"name": "plain"}
    same = laid(ROOT, {"objective": {"advantage": {"epsilon": 0.5}}})
    assert same["objective"]["advantage"] == {"name": "group", "epsilon": 0.5}


def test_null_takes_a_node_away_and_a_key_becomes_null() -> None:
    assert laid(ROOT, {"objective": None})["objective"] is None
    assert laid(ROOT, {"objective": {"cap": None}})["objective"]["cap"] is None


def test_a_slot_of_several_parts_is_replaced_as_a_whole() -> None:
    parts = {"entropy": {"name": "entropy", "coef": 1.0}}
    assert laid(ROOT, {"objective": {"regularizer": parts}})["objective"]["regularizer"] == parts
    assert laid(ROOT, {"objective": {"regularizer": {}}})["objective"]["regularizer"] == {}


def test_partial_parts_merge_only_into_parts_of_their_name() -> None:
    over = {"objective": {"regularizer": {"kl": {"coef": 0.5}}}}
    assert laid(ROOT, over)["objective"]["regularizer"] == {"kl": {"name": "kl", "coef": 0.5}}
    gone = {"objective": {"regularizer": {"kl": None}}}
    assert laid(ROOT, gone)["objective"]["regularizer"] == {}


def test_free_keys_merge_without_a_name_and_are_replaced_with_one() -> None:
    merged = laid(ROOT, {"data_mix": {"train": {"a": {"weight": 9.0}, "b": None}}})
    assert merged["data_mix"]["train"] == {"a": {"weight": 9.0}}
    whole = laid(ROOT, {"data_mix": {"name": "mix", "train": {"c": {}}}})
    assert whole["data_mix"]["train"] == {"c": {}}


CASCADE = {
    "name": "cascade",
    "steps": {"rule": {"name": "number", "tolerance": 0.5}, "shape": {"name": "number"}},
    "order": ["shape", "rule"],
}


def test_choosing_one_entry_of_another_group_keeps_the_others() -> None:
    root = {**ROOT, "verifier": CASCADE}
    other = {"name": "cascade", "steps": {}, "order": []}
    steps = laid(root, {"verifier": {"steps": {"rule": other}}})["verifier"]["steps"]
    assert steps == {"rule": other, "shape": {"name": "number"}}
    added = laid(root, {"verifier": {"steps": {"more": other}}})["verifier"]["steps"]
    assert set(added) == {"rule", "shape", "more"}
    gone = laid(root, {"verifier": {"steps": {"rule": None}}})["verifier"]["steps"]
    assert gone == {"shape": {"name": "number"}}


def test_an_entry_merges_with_the_same_name_unless_a_file_was_chosen_for_it() -> None:
    root = {**ROOT, "verifier": CASCADE}
    over = {"verifier": {"steps": {"rule": {"name": "number"}}}}
    merged = laid(root, over)["verifier"]["steps"]["rule"]
    assert merged == {"name": "number", "tolerance": 0.5}
    chosen = laid(root, over, "verifier.steps.rule")["verifier"]["steps"]
    assert chosen == {"rule": {"name": "number"}, "shape": {"name": "number"}}


def test_roles_merge_by_entry_and_inside_their_model() -> None:
    scratch = {"name": "scratch", "dtype": "float32"}
    roles = {"name": "default", "judge": {"load": "x", "model": scratch}, "critic": {"load": "y"}}
    root = {**ROOT, "models": roles}
    over = {"judge": {"model": {"dtype": "bfloat16"}}, "critic": None, "teacher": {"load": "z"}}
    assert laid(root, {"models": over})["models"] == {
        "name": "default",
        "judge": {"load": "x", "model": {"name": "scratch", "dtype": "bfloat16"}},
        "teacher": {"load": "z"},
    }


def test_execution_merges_and_sources_are_never_overlaid() -> None:
    stage = laid(ROOT, {"execution": {"threads": 1}, "sources": {"a": None}, "seed": 7})
    assert stage["execution"] == {"threads": 1, "keep": 2}
    assert stage["sources"] == ROOT["sources"]
    assert stage["seed"] == 7


def test_the_root_is_left_as_it_was() -> None:
    before, over = copy.deepcopy(ROOT), {"objective": {"cap": 3.0, "advantage": {"epsilon": 0.0}}}
    stage = laid(ROOT, over)
    assert before == ROOT
    assert over == {"objective": {"cap": 3.0, "advantage": {"epsilon": 0.0}}}
    # What the overlay says nothing about is the root's own object, shared and never changed.
    assert stage["training"] is ROOT["training"]
