"""Evaluations beside main where a run is told: the lines, the table at its end, the curves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from etude.plan.nodes import EvaluationNode, GateEdge, Graph, Measured, Run, RunStage, StageNode
from etude.plan.references import Made
from etude.tracker.interface import Place
from etude.tracker.wandb_observer import WandbObserver
from etude.tracker.wandb_settings import WandbSettings
from etude.view.ending import table
from etude.view.record import RunRecord


def interval(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.1, "high": value + 0.1}


def made(**metrics: float) -> dict[str, Any]:
    return {"metrics": {name.replace("_at_", "@"): interval(v) for name, v in metrics.items()}}


VIEW = RunStage(
    "rl", "s", "m0", "m1", others=(Measured("ood", "o0", "o1"), Measured("own", None, "w"))
)


def test_the_table_has_a_line_for_each_under_its_stage() -> None:
    record = RunRecord()
    record.evaluations |= {
        "m0": made(pass_at_1=0.2, pass_at_8=0.4),
        "m1": made(pass_at_1=0.5, pass_at_8=0.7),
        "o0": made(pass_at_1=0.1),
        "w": made(calm=3.0),
    }
    record.unmeasured["o1"] = "rl.ood"
    said = table(Run("r", (), (VIEW,), {}), record)
    assert [line.split()[0] for line in said[1:]] == ["rl", "ood", "own/calm"]
    assert "0.10 [0.00, 0.20]   failed" in said[2]
    assert "3.00 [2.90, 3.10]" in said[3]
    assert all("0.70" not in line for line in said[2:])


class Curves:
    """What W&B is told of a run."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def log(self, place: Place, values: dict[str, Any], at: float | None = None) -> None:
        self.lines.append(values)


def test_curves_have_the_names_that_the_stage_has_for_its_evaluations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = StageNode("rl", "s", "", {}, "policy_gradient")
    shared = RunStage("rl", "s", None, "m1", others=(Measured("same", None, "m1"),))
    nodes = {"m1": EvaluationNode("rl", "m1", {}, {"model": Made("s")})}
    graph = Graph({"s": stage}, nodes, [], [Run("r", (), (shared,), {})], tmp_path)
    curves = Curves()
    observer = WandbObserver(WandbSettings(), "offline", {}, print)
    monkeypatch.setattr(observer, "open", lambda *given, again: curves)
    observer.run_started(graph)
    observer.stage_started(stage, attempt=1, first_step=0, folder="")
    observer.evaluated(stage, 2, {"evaluation": "ood", **made(pass_at_1=0.3)})
    observer.evaluated(stage, 2, made(pass_at_1=0.4))
    observer.evaluated(nodes["m1"], None, made(pass_at_1=0.5))
    values = [
        {
            name: value
            for name, value in line.items()
            if name.startswith("evaluation") and name.endswith("pass@1")
        }
        for line in curves.lines
    ]
    assert values == [
        {"evaluation/ood/pass@1": 0.3},
        {"evaluation/pass@1": 0.4},
        {"evaluation/pass@1": 0.5},
        {"evaluation/same/pass@1": 0.5},
    ]


def test_a_gate_is_written_as_it_was_typed() -> None:
    assert GateEdge("s", "e", "pass@1", 0.1, "stop").written == "pass@1"
    assert GateEdge("s", "e", "pass@1", 0.1, "stop", of="ood").written == "ood/pass@1"
