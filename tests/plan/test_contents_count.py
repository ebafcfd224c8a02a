"""A folder counts by the files in it, whatever it fills, and has to be then as it was planned."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from etude.config.prepare import prepare
from etude.errors import ModelError
from etude.execute.inputs import NodeInputs
from etude.plan.graph import build_graph
from etude.plan.nodes import EvaluationNode, Graph, StageNode
from etude.plan.references import Folder, each_of

#: Ways to name a model's folder, and what has a stage of the recipe `rl` ask for it.
ROLES = {
    "models.reference": ("objective/regularizer=kl",),
    "models.critic": ("objective=ppo",),
    "models.teacher": ("recipe=distillation", "objective.token_loss.alpha=0.5"),
}
NAMED = {"start_from": (), "stages.rl.rollout.model_from": (), **ROLES}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that could be a model's at a first look."""
    return model(tmp_path / "M")


def model(folder: Path, first: int = 0) -> Path:
    folder.mkdir(exist_ok=True)
    head = json.dumps({"w": {"dtype": "I8", "shape": [2], "data_offsets": [0, 2]}}).encode()
    weights = len(head).to_bytes(8, "little") + head + bytes([first, 7])
    (folder / "model.safetensors").write_bytes(weights)
    for name in ("config.json", "tokenizer.json"):
        (folder / name).write_text("{}")
    return folder


def plan(tmp_path: Path, *overrides: str) -> Graph:
    recipe = () if any(word.startswith("recipe=") for word in overrides) else ("recipe=rl",)
    words = (*recipe, f"outputs={tmp_path / 'outputs'}", *overrides)
    return build_graph(prepare(words).runs)


def last(graph: Graph) -> StageNode:
    return list(graph.stages.values())[-1]


@pytest.mark.parametrize("key", NAMED)
def test_a_models_folder_counts_by_its_files(key: str, folder: Path, tmp_path: Path) -> None:
    def planned(place: Path) -> str:
        return last(plan(tmp_path, f"{key}={place}", *NAMED[key])).fingerprint

    first = planned(folder)
    (folder / "README.md").write_text("what it is")
    assert planned(folder) == first
    moved = Path(shutil.copytree(folder, tmp_path / "elsewhere"))
    assert planned(moved) == first
    model(folder, first=1)
    assert planned(folder) != first


@pytest.mark.parametrize("key", ROLES)
def test_a_role_that_nothing_asks_for_does_not_count(key: str, tmp_path: Path) -> None:
    plain = plan(tmp_path)
    # Not typed: a role that changes no stage is a fault there. A recipe may hold it.
    role = key.split(".")[1]
    runs = prepare(["recipe=rl", f"outputs={tmp_path / 'outputs'}"]).runs
    stage = runs[0][1][0]
    stage.config["models"] = {**stage.config["models"], role: {"load": "base", "model": None}}
    assert last(build_graph(runs)).fingerprint == last(plain).fingerprint


def test_roles_that_lead_to_the_same_are_the_same(folder: Path, tmp_path: Path) -> None:
    kl = ("objective/regularizer=kl", f"start_from={folder}")
    prints = {
        last(plan(tmp_path, *kl, f"models.reference={load}")).fingerprint
        for load in ("start", str(folder), str(folder.parent / "." / "M"))
    }
    assert len(prints) == 1
    assert last(plan(tmp_path, *kl, "models.reference=base")).fingerprint not in prints


def test_the_pass_rates_an_evaluation_compares_with_count_by_content(tmp_path: Path) -> None:
    measured = tmp_path / "measured"
    measured.mkdir()
    (measured / "samples.jsonl").write_text('{"id": "a"}\n')

    def prints(place: Path) -> tuple[str, list[str]]:
        graph = plan(tmp_path, f"evaluation.base={place}")
        return last(graph).fingerprint, list(graph.evaluations)

    first = prints(measured)
    (measured / "result.json").write_text("{}")
    assert prints(measured) == first == prints(measured / "samples.jsonl")
    shutil.copy(measured / "samples.jsonl", tmp_path / "of_march.md")
    assert prints(tmp_path / "of_march.md") == first
    (measured / "samples.jsonl").write_text('{"id": "b"}\n')
    trained, evaluations = prints(measured)
    assert trained == first[0] and not set(evaluations) & set(first[1])


def test_what_changed_between_plan_and_run_is_refused_by_name(folder: Path, tmp_path: Path) -> None:
    measured = tmp_path / "samples.jsonl"
    measured.write_text("{}\n")
    words = (
        "objective/regularizer=kl",
        f"models.reference={folder}",
        f"evaluation.base={measured}",
    )
    graph = plan(tmp_path, *words)
    nodes = [last(graph), next(iter(graph.evaluations.values()))]
    for node in nodes:
        assert isinstance(node, (StageNode, EvaluationNode))
        NodeInputs(graph, node, print).folders()
    (folder / "added.json").write_text("{}")
    measured.write_text("{} \n")
    for node, file in zip(nodes, (folder / "added.json", measured), strict=True):
        with pytest.raises(ModelError, match=f"{file} changed since the run was planned"):
            NodeInputs(graph, node, print).folders()


def test_a_folder_is_hashed_once_for_a_whole_sweep(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from etude.plan.digest import FileHashes

    read: list[Path] = []
    whole = FileHashes.model
    monkeypatch.setattr(
        FileHashes, "model", lambda self, path: read.append(path) or whole(self, path)
    )
    words = ["recipe=rl", f"start_from={folder}", f"outputs={tmp_path / 'outputs'}"]
    graph = build_graph(prepare([*words, "seed=1,2,3,4"], multirun=True).runs)
    assert read == [folder] and len(graph.stages) == 4
    given = [each for node in graph.stages.values() for each in each_of(node.inputs["start"])]
    assert all(isinstance(each, Folder) and len(each.files) == 3 for each in given)
