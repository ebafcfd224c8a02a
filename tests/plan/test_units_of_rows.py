"""What is measured on rows of other stages is done by a job that waits for these, in no circle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from test_graph import Stage, config, graph_of

from etude.config.prepare import prepare
from etude.launch.units import Unit, units_of
from etude.plan.graph import build_graph
from etude.plan.nodes import EvaluationNode, Graph


def waits(graph: Graph) -> dict[str, list[str]]:
    """Return unit → the units it waits for, by name; each of these comes before it."""
    units, seen = units_of(graph), set[str]()
    for key, unit in units.items():
        assert set(unit.parents) <= seen
        seen.add(key)
    nodes = [node.fingerprint for unit in units.values() for node in unit.nodes]
    assert sorted(nodes) == sorted(node.fingerprint for node in graph.order)

    def called(key: str) -> str:
        return units[key].name if key in graph.stages else f"measuring {units[key].name}"

    return {called(key): [called(each) for each in units[key].parents] for key in units}


def test_a_model_measured_on_rows_that_rest_on_it_is_measured_by_who_asks(tmp_path: Path) -> None:
    words = ["recipe=expert_iteration", f"outputs={tmp_path}", "stages.improve.repeat.times=1"]
    graph = build_graph(
        prepare([*words, "+stages.improve.data_mix.held_out.generated.split=train"]).runs
    )
    assert waits(graph) == {"sft": [], "sample-1": ["sft"], "improve-1": ["sft", "sample-1"]}
    improve = next(unit for unit in units_of(graph).values() if unit.name == "improve-1")
    assert improve.stage is not None
    measured = [node.name for node in improve.nodes if isinstance(node, EvaluationNode)]
    assert measured == ["sft", "improve-1"]


def aside(rows: int, last: int = 6, gate: dict[str, Any] | None = None) -> list[Stage]:
    """Return stages of which one is measured on rows, which do not count in what it is."""
    mix = {"train": {"a": {}}, "held_out": {"made": {}}}
    sources = {"a": {}, "made": {"name": "rows", "from_stage": "sample"}}
    side = config(data_mix=mix, sources=sources, seed=5)
    return [
        Stage("sample", config(seed=rows), "generate"),
        Stage("side", side, start_from="base", gate=gate, resources={"gpus_per_node": 4}),
        Stage("last", config(seed=last), after=("side",)),
    ]


def alone(graph: Graph) -> list[Unit]:
    return [unit for unit in units_of(graph).values() if unit.stage is None]


def test_a_stage_that_two_runs_share_does_not_wait_for_the_rows_of_the_second() -> None:
    assert not alone(graph_of(aside(rows=9)))
    graph = graph_of(aside(rows=9), aside(rows=10))
    assert waits(graph)["side"] == ["sample"] == waits(graph)["measuring base"]
    assert waits(graph)["measuring side"] == ["side", "sample"]
    (side,) = (node for node in graph.stages.values() if node.name == "side")
    rows = {unit.parents[-1] for unit in alone(graph)}
    assert len(rows) == 1 and rows.isdisjoint(side.parents)
    assert [unit.resources for unit in alone(graph)] == [{"gpus_per_node": 4}] * 2


def test_a_stage_behind_a_gate_waits_for_what_the_gate_reads() -> None:
    gate = {"metric": "pass@1", "at_least": 0.5, "on_fail": "stop"}
    graph = graph_of(aside(9, gate=gate), aside(10, last=7, gate=gate))
    first, second = (units_of(graph)[run.stages[2].stage] for run in graph.runs)
    assert first.parents == graph.stages[first.fingerprint].after
    read = graph.runs[1].stages[1].after
    assert second.parents == (*graph.stages[second.fingerprint].after, read)
