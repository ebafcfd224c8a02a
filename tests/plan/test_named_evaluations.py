"""Evaluations beside main: composed, judged, planned and shared, each under its own name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from etude.config.prepare import prepare
from etude.errors import ConfigError
from etude.plan.graph import build_graph
from etude.plan.nodes import Graph

SMALL = ("recipe=rl", "evaluation.problems=8", "evaluation.samples=2")
HARD = (
    "evaluations.hard.data_mix.held_out.arithmetic.levels=[2]",
    "evaluations.hard.evaluation.samples=4",
)


def planned(*overrides: str, outputs: Path) -> Graph:
    prepared = prepare([*SMALL, *overrides])
    return build_graph(prepared.runs, outputs=outputs)


def config(*overrides: str) -> dict[str, Any]:
    ((_, (stage,)),) = prepare([*SMALL, *overrides]).runs
    return stage.config


def refused(*overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        prepare([*SMALL, *overrides])
    return str(caught.value)


def test_an_entry_follows_the_stage_in_all_that_it_does_not_set() -> None:
    resolved = config(*HARD, "evaluation.temperature=0.7", "stages.rl.evaluation.seed=5")
    entry = resolved["evaluations"]["hard"]
    assert entry["evaluation"] == {**resolved["evaluation"], "samples": 4}
    assert entry["evaluation"]["seed"] == 5
    assert entry["data_mix"]["held_out"]["arithmetic"]["levels"] == [2]
    assert entry["data_mix"]["train"] == resolved["data_mix"]["train"]
    assert entry["verifier"] is None and entry["rollout"] is None


def test_a_file_is_chosen_at_its_place_also_by_a_stage_and_is_that_file_alone() -> None:
    resolved = config("evaluations.ood.verifier=math", "verifier.timeout=3")
    assert resolved["evaluations"]["ood"]["verifier"]["name"] == "math"
    assert resolved["evaluations"]["ood"]["verifier"]["timeout"] != 3
    resolved = config(
        "evaluations.ood.evaluation=thorough",
        "evaluation.bootstrap=7",
        "stages.rl.evaluations.ood.evaluation.k=[1]",
    )
    own = resolved["evaluations"]["ood"]["evaluation"]
    assert (own["samples"], own["k"]) == (16, [1])
    assert own["bootstrap"] == 1000  # of the file, and not what was typed for main


def test_a_stage_takes_an_evaluation_away(tmp_path: Path) -> None:
    away = ("recipe=sft_then_rl", "stages.sft.evaluations.hard=null")
    sft, rl = planned(*HARD, *away, outputs=tmp_path).runs[0].stages
    assert not sft.others and [each.name for each in rl.others] == ["hard"]


def test_evaluations_are_nodes_of_their_own_and_change_no_stage(tmp_path: Path) -> None:
    plain = planned(outputs=tmp_path)
    graph = planned(*HARD, outputs=tmp_path)
    assert graph.stages.keys() == plain.stages.keys()
    assert plain.evaluations.keys() < graph.evaluations.keys()
    assert [node.name for node in graph.evaluations.values()] == [
        "base",
        "base.hard",
        "rl",
        "rl.hard",
    ]
    (other,) = graph.runs[0].stages[0].others
    assert (other.name, graph.evaluations[other.after].name) == ("hard", "rl.hard")


def test_equal_measurements_are_one_node_whatever_they_are_called(tmp_path: Path) -> None:
    alike = planned("evaluations.again={}", *HARD, outputs=tmp_path)
    (stage,) = alike.runs[0].stages
    again = next(each for each in stage.others if each.name == "again")
    assert (again.before, again.after) == (stage.before, stage.after)
    assert len(alike.evaluations) == 4
    main = planned("evaluation.samples=4", outputs=tmp_path)
    other = planned("evaluations.four.evaluation.samples=4", outputs=tmp_path)
    assert main.evaluations.keys() < other.evaluations.keys()


def test_what_chooses_the_model_counts_and_nothing_else(tmp_path: Path) -> None:
    often = "execution.evaluate_every=2"

    def stage(*overrides: str) -> str:
        (found,) = planned(often, *overrides, outputs=tmp_path).stages
        return found

    best = "training.hand_on=hard/pass@4"
    assert stage(*HARD) == stage()
    assert stage(*HARD, best) != stage(*HARD)
    assert stage(*HARD, best) == stage(*HARD, best, "evaluation.samples=3")
    assert stage(*HARD, best) != stage(*HARD, best, "evaluations.hard.evaluation.seed=1")
    assert stage(*HARD, "training.hand_on=best") == stage("training.hand_on=best")


def test_a_gate_on_a_named_evaluation_waits_for_that_one(tmp_path: Path) -> None:
    gate = ("recipe=sft_then_rl", "stages.sft.gate.metric=hard/pass@4")
    graph = planned(*HARD, *gate, "stages.sft.gate.at_least=0.1", outputs=tmp_path)
    sft, rl = graph.runs[0].stages
    (edge,) = rl.gates
    assert edge.evaluation == sft.others[0].after
    assert (edge.metric, edge.written) == ("pass@4", "hard/pass@4")


def test_whatever_is_misspelt_is_told_in_one_report_with_what_is_near() -> None:
    said = refused(
        *HARD,
        "evaluations.hard.verifer=math",
        "evaluations.hard.evaluation.sampels=4",
        "evaluations.ood.verifier=maht",
    )
    assert "evaluations.hard has no key 'verifer'. Did you mean verifier?" in said
    assert "no key 'sampels'. Did you mean samples?" in said
    assert "there is no verifier 'maht'. Did you mean math?" in said


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("stages.rl.gate.metric=hrad/pass@4", "Did you mean hard/pass@4?"),
        ("stages.rl.gate.metric=hard/pass@8", "which the evaluation hard does not give"),
        ("training.hand_on=hrad/pass@4", "Did you mean hard/pass@4?"),
        ("training.hand_on=bset", "Did you mean best?"),
        ("evaluations.main.evaluation.samples=3", "is the stage's own evaluation"),
        ("evaluations.hard.evaluation.k=[64]", "evaluations.hard.evaluation.k  is [64]"),
        (
            "evaluations.hard.data_mix.held_out.arithmetic.levels=[99]",
            "evaluations.hard.data_mix.held_out.arithmetic.levels",
        ),
        ("+evaluations.hard.data_mix.held_out.nowhere={}", "there is no source 'nowhere'"),
    ],
)
def test_what_an_evaluation_cannot_be_is_refused(typed: str, said: str) -> None:
    assert said in refused(*HARD, typed)


def test_an_evaluation_that_a_gate_names_is_not_switched_off() -> None:
    said = refused(
        *HARD, "evaluations.hard.evaluation.problems=0", "stages.rl.gate.metric=hard/pass@4"
    )
    assert "problems" in said
    said = refused("evaluation=null", "evaluations.hard={}", "stages.rl.gate.metric=hard/pass@1")
    assert "the evaluation hard, which is switched off: evaluations.hard.evaluation=" in said


def test_main_may_be_off_and_another_one_measure(tmp_path: Path) -> None:
    off = ("evaluation=null", "evaluations.ood.evaluation=greedy")
    graph = build_graph(prepare(["recipe=rl", *off]).runs, outputs=tmp_path)
    (stage,) = graph.runs[0].stages
    assert stage.after is None and stage.others[0].after in graph.evaluations


def test_an_evaluation_that_there_is_not_cannot_be_taken_away() -> None:
    assert "evaluations.ood=null  there is nothing to take away" in refused("evaluations.ood=null")
    said = refused(*HARD, "stages.rl.evaluations.hrad=null")
    assert "there is nothing to take away" in said
