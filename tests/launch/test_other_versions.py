"""What another version of etude wrote is recognised, named and left alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from etude.config.prepare import prepare
from etude.errors import StorageError
from etude.launch import clean, resume
from etude.launch.seeing import status
from etude.plan import layout
from etude.plan.graph import build_graph
from etude.plan.lookup import state_of
from etude.plan.other_version import notices
from fake_run import dump

KINDS = ("stages", "evaluations", "runs")
RUN = "2026-01-01-sft_then_rl-77aa"

#: A stage, a measured model and a run as the first layout had them.
STAGE = {
    "name": "sft",
    "fingerprint": "feedbeef00000001",
    "lineage": "l1",
    "plain": "p1",
    "code": "c1",
    "learner": "supervised",
    "steps": 2,
    "parents": [],
}
NODE = {
    "config": [0, 3],
    "start": None,
    "rollout_from": None,
    "data_from": {},
    "after": [],
    "gate": None,
    "kept": None,
    "resources": {},
    "hands_on_model": True,
    "extendable": True,
    "fresh": False,
}
VIEW = {"name": "sft", "stage": "feedbeef00000001", "before": None, "after": "e1"}
MEASURED = {"name": "sft", "fingerprint": "e1", "config": [0, 3], "model": "feedbeef00000001"}


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    """Outputs with a finished stage, its evaluation and a run of the first layout."""
    stage = tmp_path / "stages" / "sft-feedbeef00000001"
    dump(stage / "stage.json", STAGE)
    dump(stage / "model" / "config.json", {})
    dump(
        stage / "DONE.json",
        {"name": "sft", "steps": 2, "files": {"model/config.json": {"size": 2}}},
    )
    dump(stage / "attempts" / "1" / "checkpoints" / "step_1" / "manifest.json", {"files": {}})
    dump(stage / "attempts" / "1" / "checkpoints" / "step_2" / "manifest.json", {"files": {}})
    measured = tmp_path / "evaluations" / "sft-e1"
    dump(measured / "result.json", {"metrics": {}})
    dump(measured / "DONE.json", {"name": "sft", "files": {}})
    run = tmp_path / "runs" / RUN
    dump(run / "environment.json", {"command": ["train", "recipe=sft_then_rl"]})
    dump(run / "plan" / "graph.json", graph(tmp_path))
    (run / "plan" / "configs-1.jsonl").write_text("{}\n")
    entry = {**VIEW, "fingerprint": VIEW["stage"], "after": {"fingerprint": "e1"}, "state": "done"}
    dump(run / "result.json", {"state": "done", "runs": [{"overrides": [], "stages": [entry]}]})
    return tmp_path


def graph(outputs: Path) -> dict[str, Any]:
    view = {**VIEW, "waits_for": [], "gate": None, "gates": []}
    return {
        "configs": "configs-1.jsonl",
        "outputs": str(outputs),
        "launcher": {"name": "local"},
        "order": ["feedbeef00000001", "e1"],
        "stages": {"feedbeef00000001": {**STAGE, **NODE}},
        "evaluations": {"e1": {**MEASURED, "data_from": {}, "fresh": False}},
        "runs": [
            {"name": "x", "overrides": [], "warnings": [], "root": [0, 3], "stages": [view]},
        ],
    }


def files(outputs: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in outputs.rglob("*") if path.is_file()}


def test_the_layout_is_read_off_every_folder(outputs: Path) -> None:
    for folder in (each for kind in KINDS for each in (outputs / kind).iterdir()):
        assert layout.version_of(folder) == 1
    for name in ("stages/rl-1", "evaluations/rl-2", "runs/x"):
        (outputs / name).mkdir()
        assert layout.version_of(outputs / name) == layout.LAYOUT
    dump(outputs / "stages" / "rl-1" / "stage.json", {"layout": layout.LAYOUT + 1})
    assert layout.version_of(outputs / "stages" / "rl-1") == layout.LAYOUT + 1


def test_status_shows_a_run_of_another_version_and_says_so(outputs: Path) -> None:
    lines = list(status.lines(outputs))
    assert any("was made by another version of etude (layout 1, here" in line for line in lines)
    assert any("sft-feed  done" in line for line in lines)
    assert not any("goes on" in line.lower() for line in lines)


def test_resume_refuses_a_run_of_another_version(outputs: Path) -> None:
    with pytest.raises(StorageError, match="was made by another version of etude"):
        resume.main([RUN, "--outputs", str(outputs)])


def test_nothing_of_another_version_is_planned_with_and_it_is_named(outputs: Path) -> None:
    before = files(outputs)
    words = ("recipe=sft_then_rl", f"outputs={outputs}")
    for steps in (2, 50):
        plan = build_graph(prepare([*words, f"stages.sft.training.steps={steps}"]).runs)
        assert {state_of(node, plan.outputs).kind for node in plan.order} == {"missing"}
        (told,) = notices(plan)
        assert told.startswith("sft-feedbeef00000001 was made by another version of etude")
        assert told.endswith("sft is trained anew")
    assert files(outputs) == before


def test_clean_leaves_another_version_alone_unless_it_is_asked_for(outputs: Path) -> None:
    said: list[str] = []
    assert clean.find(outputs, say=said.append) == []
    assert clean.find(outputs, unfinished=True, say=said.append) == []
    assert all("2 folders of another version of etude (sft-feed" in text for text in said)
    # Once its run is deleted, on request, nothing refers to it: it stays nevertheless.
    (run,) = clean.find(outputs, runs=["77aa"])
    clean.delete([run])
    assert clean.find(outputs) == []
    found = clean.find(outputs, other_versions=True)
    assert {item.path.name for item in found} == {"sft-feedbeef00000001", "sft-e1"}


def test_what_is_written_now_says_its_layout(outputs: Path) -> None:
    written = json.dumps(graph(outputs) | {"layout": layout.LAYOUT})
    (outputs / "runs" / RUN / "plan" / "graph.json").write_text(written)
    dump(outputs / "runs" / RUN / "environment.json", {"layout": layout.LAYOUT})
    # The entries are of the first layout all the same: told as damage, never as a traceback.
    assert any("is damaged" in line for line in status.lines(outputs))
