"""A stage that other code trained is neither trained again nor used without a word."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from test_graph import PLACES, Member, Stage, sft_then_rl

from etude.execute import run_folder
from etude.execute.stage_folder import prepare
from etude.plan.graph import build_graph
from etude.plan.nodes import Graph, StageNode
from etude.plan.other_code import faults

Rewrite = Callable[[str, str, str], None]


def plan(outputs: Path, *runs: list[Stage], **root: object) -> Graph:
    members = [(Member([f"run={n}"], dict(root)), stages) for n, stages in enumerate(runs)]
    return build_graph(members, outputs=outputs, schema=PLACES)


def accepting(stages: list[Stage]) -> list[Stage]:
    return [
        dataclasses.replace(each, config={**each.config, "execution": {"accept_code": True}})
        for each in stages
    ]


def finish(graph: Graph, *, only: str = "") -> None:
    """Leave what training a graph's stages leaves, as far as planning looks at it."""
    graph.folder = run_folder.make(graph)
    for node in graph.stages.values():
        if only in node.name:
            folder = graph.outputs / "stages" / node.folder_name
            prepare(folder, node)
            (folder / "DONE.json").write_text(json.dumps({"files": {}, "steps": node.steps}))


def names(graph: Graph) -> list[str]:
    return [each.name for each in graph.changed.values()]


def stage(graph: Graph, name: str) -> StageNode:
    return next(node for node in graph.stages.values() if node.name == name)


def change_rl(rewritten: Rewrite) -> None:
    rewritten("etude.learner.policy_gradient", "return ", "return 1 and ")


def test_a_changed_learner_names_its_stage_its_file_and_both_ways_on(
    tmp_path: Path, rewritten: Rewrite
) -> None:
    first = plan(tmp_path, sft_then_rl())
    assert not first.changed
    finish(first)
    change_rl(rewritten)
    graph = plan(tmp_path, sft_then_rl())
    assert names(graph) == ["rl"]
    (fault,) = faults(graph.changed)
    assert fault.typed == stage(first, "rl").folder_name
    assert "etude/learner/policy_gradient.py differs" in fault.message
    assert "execution.accept_code=true" in fault.message
    assert "fresh='[rl]'" in fault.message


def test_what_follows_a_changed_stage_is_named_with_it(tmp_path: Path, rewritten: Rewrite) -> None:
    finish(plan(tmp_path, sft_then_rl()))
    rewritten("etude.learner.supervised", "return ", "return 1 and ")
    graph = plan(tmp_path, sft_then_rl())
    assert names(graph) == ["sft", "rl"]
    told = [fault.message for fault in faults(graph.changed)]
    assert "etude/learner/supervised.py" in told[0]
    assert "follows sft" in told[1] and "fresh='[sft,rl]'" in told[1]


def test_accepted_stages_keep_their_folders_and_later_commands_use_them(
    tmp_path: Path, rewritten: Rewrite
) -> None:
    first = plan(tmp_path, sft_then_rl())
    finish(first)
    rewritten("etude.learner.supervised", "return ", "return 1 and ")
    accepted = plan(tmp_path, accepting(sft_then_rl()))
    assert not accepted.changed
    assert accepted.stages.keys() == first.stages.keys()
    run_folder.make(accepted)
    later = plan(tmp_path, sft_then_rl())
    assert not later.changed and later.stages.keys() == first.stages.keys()


def test_planning_alone_accepts_nothing(tmp_path: Path, rewritten: Rewrite) -> None:
    finish(plan(tmp_path, sft_then_rl()))
    change_rl(rewritten)
    plan(tmp_path, accepting(sft_then_rl()))
    assert names(plan(tmp_path, sft_then_rl())) == ["rl"]


def test_afresh_is_trained_by_the_code_that_is_here_accepted_or_not(
    tmp_path: Path, rewritten: Rewrite
) -> None:
    first = plan(tmp_path, sft_then_rl())
    finish(first)
    change_rl(rewritten)
    run_folder.make(plan(tmp_path, accepting(sft_then_rl())))
    graph = plan(tmp_path, sft_then_rl(), fresh=["rl"])
    assert not graph.changed
    assert stage(graph, "rl").fingerprint != stage(first, "rl").fingerprint
    assert stage(graph, "sft").fingerprint == stage(first, "sft").fingerprint
    finish(graph, only="rl")
    again = plan(tmp_path, sft_then_rl())
    assert not again.changed and again.stages.keys() == graph.stages.keys()


def test_a_changed_config_is_other_work_and_not_other_code(
    tmp_path: Path, rewritten: Rewrite
) -> None:
    finish(plan(tmp_path, sft_then_rl()))
    change_rl(rewritten)
    assert not plan(tmp_path, sft_then_rl(rollout={"max_new_tokens": 9})).changed


def cut_short(graph: Graph, name: str) -> None:
    """Leave what a stage leaves that was stopped after a checkpoint."""
    graph.folder = run_folder.make(graph)
    node = stage(graph, name)
    folder = graph.outputs / "stages" / node.folder_name
    prepare(folder, node)
    step = folder / "attempts" / "1" / "checkpoints" / "step_2"
    step.mkdir(parents=True)
    (step / "manifest.json").write_text("{}")


def test_a_stage_cut_short_is_told_of_and_would_go_on_with_the_code_of_now(
    tmp_path: Path, rewritten: Rewrite
) -> None:
    first = plan(tmp_path, sft_then_rl())
    finish(first, only="sft")
    cut_short(first, "rl")
    rewritten("etude.learner.supervised", "return ", "return 1 and ")
    graph = plan(tmp_path, sft_then_rl())
    assert names(graph) == ["sft", "rl"]
    told = [fault.message for fault in faults(graph.changed)]
    assert told[0].startswith("is there as other code trained it")
    assert told[1].startswith("is cut short, and other code began it")
    assert "uses what is finished as it is, goes on with the code of now" in told[1]


def test_of_two_that_other_code_trained_the_finished_one_is_meant(
    tmp_path: Path, rewritten: Rewrite
) -> None:
    first = plan(tmp_path, sft_then_rl())
    finish(first)
    change_rl(rewritten)
    cut_short(plan(tmp_path, sft_then_rl()), "rl")
    rewritten("etude.learner.rollouts", "return ", "return 1 and ")
    (changed,) = plan(tmp_path, sft_then_rl()).changed.values()
    assert changed.finished and changed.folder.name == stage(first, "rl").folder_name


def test_an_accepted_stage_that_is_gone_is_trained_as_if_it_had_never_been_there(
    tmp_path: Path, rewritten: Rewrite
) -> None:
    first = plan(tmp_path, sft_then_rl())
    finish(first)
    change_rl(rewritten)
    run_folder.make(plan(tmp_path, accepting(sft_then_rl())))
    shutil.rmtree(tmp_path / "stages" / stage(first, "rl").folder_name)
    graph = plan(tmp_path, sft_then_rl())
    assert not graph.changed and not graph.accepted
    assert stage(graph, "rl").fingerprint != stage(first, "rl").fingerprint
    assert stage(graph, "sft").fingerprint == stage(first, "sft").fingerprint


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": 1}'])
def test_a_damaged_list_of_what_was_accepted_hides_nothing(
    tmp_path: Path, rewritten: Rewrite, text: str
) -> None:
    finish(plan(tmp_path, sft_then_rl()))
    (tmp_path / ".accepted.json").write_text(text)
    change_rl(rewritten)
    assert names(plan(tmp_path, sft_then_rl())) == ["rl"]
