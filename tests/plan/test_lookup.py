"""How far work has come is read from folders alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from etude.plan.layout import LAYOUT
from etude.plan.lookup import state_of
from etude.plan.nodes import EvaluationNode, StageNode


def node(**more: Any) -> StageNode:
    about: dict[str, Any] = {"config": {"training": {"steps": 20}}, "learner": "sft", **more}
    return StageNode(about.pop("name", "sft"), "f00", "l00", **about)


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def checkpoint(folder: Path, attempt: int, step: int) -> None:
    write(folder / f"attempts/{attempt}/checkpoints/step_{step}/manifest.json", {})


def test_missing_then_resumable_then_done(tmp_path: Path) -> None:
    assert state_of(node(), tmp_path).kind == "missing"
    folder = tmp_path / "stages/sft-f00"
    checkpoint(folder, 1, 5)
    checkpoint(folder, 2, 9)
    (folder / "attempts/2/checkpoints/.step_12.7.tmp").mkdir()
    state = state_of(node(), tmp_path)
    assert (state.kind, state.step) == ("resumable", 9)
    (folder / "model.bin").write_text("abc")
    write(folder / "DONE.json", {"steps": 20, "seconds": 4.5, "files": {"model.bin": {"size": 3}}})
    state = state_of(node(), tmp_path)
    assert (state.kind, state.step, state.seconds) == ("done", 20, 4.5)
    assert state_of(node(fresh=True), tmp_path).kind == "missing"
    (folder / "model.bin").write_text("ab")
    assert state_of(node(), tmp_path).kind == "resumable"


def test_a_stage_done_under_another_name_is_done(tmp_path: Path) -> None:
    write(tmp_path / "stages/warm-up-f00/DONE.json", {"steps": 20, "files": {}})
    state = state_of(node(), tmp_path)
    assert state.kind == "done" and state.folder.name == "warm-up-f00"


def test_a_stage_of_the_same_lineage_can_be_extended(tmp_path: Path) -> None:
    for fingerprint, lineage, steps in (
        ("f01", "l00", 7),
        ("f02", "l00", 12),
        ("f03", "other", 19),
    ):
        folder = tmp_path / f"stages/sft-{fingerprint}"
        about = {"layout": LAYOUT, "fingerprint": fingerprint, "lineage": lineage}
        write(folder / "stage.json", about)
        checkpoint(folder, 1, steps)
        checkpoint(folder, 1, 99)
    state = state_of(node(extendable=True), tmp_path)
    assert (state.kind, state.step) == ("extendable", 12)
    assert state.source is not None and state.source.name == "sft-f02"
    assert state_of(node(extendable=False), tmp_path).kind == "missing"


def test_an_evaluation_is_done_or_missing(tmp_path: Path) -> None:
    measured = EvaluationNode("sft", "e00", {})
    assert state_of(measured, tmp_path).kind == "missing"
    write(tmp_path / "evaluations/sft-e00/DONE.json", {"seconds": 2.0, "files": {}})
    assert state_of(measured, tmp_path).kind == "done"


def test_a_torn_done_is_not_done(tmp_path: Path) -> None:
    folder = tmp_path / "stages/sft-f00"
    folder.mkdir(parents=True)
    (folder / "DONE.json").write_text('{"steps": 20, "fi')
    assert state_of(node(), tmp_path).kind == "missing"


def test_planning_imports_nothing_heavy() -> None:
    code = (
        "import sys, etude.plan.graph, etude.plan.lookup, etude.launch.seeing.status;"
        "import etude.launch.clean;"
        "sys.exit(' '.join({'torch', 'transformers', 'datasets'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
