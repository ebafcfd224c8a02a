"""Runs become one graph: equal work once, parents before children, evaluations shared."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from etude.errors import ConfigError
from etude.execute.outcomes import barrier
from etude.plan.graph import build_graph
from etude.plan.nodes import EvaluationNode, Graph, StageNode, stages_of
from etude.plan.references import Base, Folder, Made
from etude.schema import Schema, built_in, parse


@dataclass
class Member:
    overrides: Sequence[str]
    root: dict[str, Any] = field(default_factory=dict)
    choices: dict[str, Any] = field(default_factory=dict)


@dataclass
class Stage:
    name: str
    config: dict[str, Any]
    learner: str = "supervised"
    after: Sequence[str] = ()
    start_from: str | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)
    gate: Mapping[str, Any] | None = None
    resources: Mapping[str, Any] = field(default_factory=dict)


def config(**groups: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "seed": 1,
        "model": {"width": 8},
        "objective": {"name": "sft"},
        "data_mix": {"train": {"a": {}}, "held_out": {"b": {}}},
        "sources": {"a": {}, "b": {}},
        "training": {"steps": 3},
        "optimizer": {"lr": 1.0},
        "verifier": {"strict": False},
        "rollout": {"max_new_tokens": 8},
        "evaluation": {"problems": 5},
    }
    return {**base, **groups}


def sft_then_rl(seed: int = 1, objective: str = "grpo", **rl: Any) -> list[Stage]:
    return [
        Stage("sft", config(seed=seed)),
        Stage(
            "rl",
            config(seed=seed, objective={"name": objective}, **rl),
            "policy_gradient",
            after=("sft",),
        ),
    ]


def graph_of(*runs: list[Stage], root: dict[str, Any] | None = None) -> Graph:
    members = [(Member([f"run={n}"], root or {}), stages) for n, stages in enumerate(runs)]
    return build_graph(members, outputs=Path("/nowhere/outputs"), schema=PLACES)


def test_a_stage_starts_from_its_predecessor_and_the_first_from_the_base() -> None:
    graph = graph_of(sft_then_rl())
    sft, rl = graph.stages.values()
    assert sft.start == Base() and rl.start == Made(sft.fingerprint)
    assert rl.parents == rl.after == (sft.fingerprint,)


def test_the_end_of_one_stage_and_the_start_of_the_next_share_an_evaluation() -> None:
    graph = graph_of(sft_then_rl())
    sft, rl = graph.runs[0].stages
    assert sft.after == rl.before
    assert len({sft.before, sft.after, rl.after}) == len(graph.evaluations) == 3
    names = [(type(node).__name__, node.name) for node in graph.order]
    assert names == [
        ("EvaluationNode", "base"),
        ("StageNode", "sft"),
        ("EvaluationNode", "sft"),
        ("StageNode", "rl"),
        ("EvaluationNode", "rl"),
    ]


def test_a_sweep_trains_a_shared_stage_once() -> None:
    runs = [sft_then_rl(seed, objective) for objective in ("grpo", "rloo") for seed in (1, 2)]
    graph = graph_of(*runs)
    names = [node.name for node in graph.stages.values()]
    assert names.count("sft") == 2 and names.count("rl") == 4
    assert len({run.stages[0].stage for run in graph.runs}) == 2
    assert len(graph.evaluations) == 2 + 2 + 4
    assert [run.overrides for run in graph.runs] == [(f"run={number}",) for number in range(4)]


def test_another_verifier_does_not_train_sft_again_but_measures_it_again() -> None:
    strict = {"strict": True}
    runs = [sft_then_rl(), sft_then_rl(verifier=strict)]
    # The supervised stage reads no verifier: its objective says so in a schema.
    runs[1][0] = Stage("sft", config(verifier=strict))
    schema = schema_of(objective__sft={"reads": ["data_mix", "optimizer"]})
    members = [(Member([]), stages) for stages in runs]
    graph = build_graph(members, outputs=Path("/nowhere"), schema=schema)
    first, second = graph.runs
    assert first.stages[0].stage == second.stages[0].stage
    assert first.stages[0].after != second.stages[0].after
    assert first.stages[1].stage != second.stages[1].stage


def schema_of(**components: dict[str, Any]) -> Schema:
    """Return a schema of ``group__name=entry`` (``group`` with ``__`` for a slash)."""
    plain = {"class": "etude.component:X", "doc": "", "source": "", "fields": {}}
    groups: dict[str, Any] = {}
    for key, entry in components.items():
        group, _, name = key.rpartition("__")
        needs: dict[str, Any] = {"requires": [], "provides": [], "conflicts": []}
        groups.setdefault(group.replace("__", "/"), {})[name] = {**plain, **needs, **entry}
    made = parse({"groups": {name: {"doc": ""} for name in groups}, "components": groups})
    return dataclasses.replace(made, learners=built_in().learners)


def test_parents_come_before_children_whatever_the_order_given() -> None:
    stages = [
        Stage("c", config(seed=3), after=("b",)),
        Stage("a", config(seed=1)),
        Stage("b", config(seed=2), after=("a",)),
    ]
    graph = graph_of(stages)
    order = [node.name for node in graph.order if isinstance(node, StageNode)]
    assert order == ["a", "b", "c"]
    assert [stage.name for stage in graph.runs[0].stages] == ["c", "a", "b"]
    seen: set[str] = set()
    for node in graph.order:
        if isinstance(node, StageNode):
            assert set(node.after) <= seen
        elif node.stage is not None:
            assert node.stage in seen
        seen.add(node.fingerprint)


def test_a_circle_and_an_unknown_stage_are_config_errors() -> None:
    circle = [Stage("a", config(), after=("b",)), Stage("b", config(), after=("a",))]
    with pytest.raises(ConfigError, match="waits for itself: a → b → a"):
        graph_of(circle)
    with pytest.raises(ConfigError, match="'x', which is not in this pipeline"):
        graph_of([Stage("a", config(), after=("x",))])
    with pytest.raises(ConfigError, match="neither a stage of this pipeline"):
        graph_of([Stage("a", config(), start_from="no/such/folder")])


def test_waiting_without_reading_is_no_part_of_a_fingerprint() -> None:
    waits = [Stage("a", config(seed=2)), Stage("b", config(), after=("a",), start_from="base")]
    alone = [Stage("b", config(), start_from="base")]
    graph = graph_of(waits, alone)
    assert graph.runs[0].stages[1].stage == graph.runs[1].stages[0].stage
    assert graph.runs[0].stages[1].waits_for == (graph.runs[0].stages[0].stage,)
    assert graph.runs[1].stages[0].waits_for == ()


def test_a_stage_that_is_an_earlier_one_again_does_not_wait_for_what_comes_between() -> None:
    between = config(seed=2)
    stages = [
        Stage("first", config()),
        Stage("between", between, after=("first",), start_from="base"),
        Stage("again", config(), after=("between",), start_from="base"),
    ]
    graph = graph_of(stages)
    first, other, again = graph.runs[0].stages
    assert first.stage == again.stage and len(graph.stages) == 2
    assert other.waits_for == (first.stage,)
    assert again.waits_for == first.waits_for == ()  # or it would wait for itself
    assert barrier(graph, graph.runs[0], other) == "first did not finish"


def test_a_path_to_start_from_counts_by_its_files(tmp_path: Path) -> None:
    for name in ("x", "y", "z"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}" if name != "z" else "{ }")
    runs = [[Stage("a", config(), start_from=str(tmp_path / name))] for name in ("x", "y", "z")]
    graph = graph_of(*runs)
    first, second, third = (run.stages[0].stage for run in graph.runs)
    assert first == second != third
    assert graph.stages[first].start == Folder(tmp_path / "x")
    assert graph.evaluations[str(graph.runs[0].stages[0].before)].name == "x"


#: What little is known: where references stand. Else every key counts, and nothing is imported.
REFERENCE = {"type": "str", "optional": True, "default": None, "doc": "", "kind": "result"}
REFERENCE |= {"choices": None, "bounds": {}, "learners": []}
PLACES = schema_of(
    rollout__plain={},
    sources__rows={"fields": {"from_stage": {**REFERENCE, "form": "rows reference"}}},
)


def writes_and_reads() -> list[Stage]:
    reads = config(
        data_mix={"train": {"made": {}}}, sources={"made": {"name": "rows", "from_stage": "sample"}}
    )
    return [
        Stage("sft", config()),
        Stage("sample", config(seed=9), "generate", after=("sft",)),
        Stage("distil", reads, after=("sample",)),
    ]


def test_a_stage_reads_the_rows_of_another_and_starts_from_the_model_before_it() -> None:
    graph = graph_of(writes_and_reads())
    sft, sample, distil = graph.stages.values()
    assert sample.outputs == ("data",) and sample.start == Made(sft.fingerprint)
    assert distil.start == Made(sft.fingerprint)
    assert distil.inputs["sources.made.from_stage"] == Made(sample.fingerprint, "data")
    assert set(distil.parents) == {sft.fingerprint, sample.fingerprint}
    view = graph.runs[0].stages[1]
    assert view.before is None and view.after is None


def test_what_wrote_the_rows_counts() -> None:
    other = writes_and_reads()
    other[1].config["rollout"] = {"max_new_tokens": 99}
    graph = graph_of(writes_and_reads(), other)
    assert graph.runs[0].stages[2].stage != graph.runs[1].stages[2].stage
    assert graph.runs[0].stages[0].stage == graph.runs[1].stages[0].stage


def test_rows_of_a_stage_can_be_measured_on() -> None:
    stages = writes_and_reads()
    stages[2].config["data_mix"] = {"train": {"a": {}}, "held_out": {"made": {}}}
    stages[2].config["sources"]["a"] = {}
    graph = graph_of(stages)
    sample, distil = list(graph.stages.values())[1:]
    assert list(distil.inputs) == ["start", "sources.made.from_stage"]  # told of, where in both
    measured = graph.evaluations[str(graph.runs[0].stages[2].after)]
    assert measured.inputs["sources.made.from_stage"] == Made(sample.fingerprint, "data")


def test_rows_that_are_measured_on_are_written_before_whatever_is_listed_first() -> None:
    stages = writes_and_reads()
    stages[2].config["data_mix"] = {"train": {"a": {}}, "held_out": {"made": {}}}
    stages[2].config["sources"]["a"] = {}
    stages[2].config["seed"] = 4
    distil = dataclasses.replace(stages[2], after=(), start_from="base")
    graph = graph_of([distil, *stages[:2]])
    assert [node.name for node in graph.stages.values()] == ["sft", "sample", "distil"]
    sample = list(graph.stages.values())[1]
    measured = graph.evaluations[str(graph.runs[0].stages[0].before)]
    assert measured.inputs["sources.made.from_stage"] == Made(sample.fingerprint, "data")


def test_rows_that_are_measured_on_in_training_are_given_and_do_not_count() -> None:
    def stages(**more: Any) -> list[Stage]:
        found = writes_and_reads()
        found[2].config["data_mix"] = {"train": {"a": {}}, "held_out": {"made": {}}}
        found[2].config["sources"]["a"] = {}
        found[2].config.update(more)
        return found

    often = {"execution": {"evaluate_every": 2}}
    plain, given = (graph_of(stages(**more)).runs[0].stages[2].stage for more in ({}, often))
    assert plain == given
    other = stages()
    other[1].config["seed"] = 10
    assert graph_of(other).runs[0].stages[2].stage == plain
    distil = list(graph_of(stages(**often)).stages.values())[2]
    assert list(distil.inputs) == ["start", "sources.made.from_stage"]
    chosen = graph_of(stages(training={"steps": 3, "hand_on": "best"})).runs[0].stages[2].stage
    assert chosen != plain


def test_another_stage_may_sample() -> None:
    stages = [
        *sft_then_rl(),
        Stage("late", config(rollout={"name": "plain", "model_from": "sft"}), after=("rl",)),
    ]
    graph = graph_of(stages)
    sft, rl, late = graph.stages.values()
    assert late.inputs["rollout.model_from"] == Made(sft.fingerprint)
    assert set(late.parents) == {rl.fingerprint, sft.fingerprint}


def test_evaluation_can_be_switched_off() -> None:
    off = [Stage("a", config(evaluation=None)), Stage("b", config(evaluation={"problems": 0}))]
    assert not graph_of(off).evaluations
    gated = [Stage("a", config(evaluation=None), gate={"metric": "pass@1", "at_least": 0.5})]
    with pytest.raises(ConfigError, match="needs the stage's evaluation"):
        graph_of(gated)


def with_gate(on_fail: str, at_least: float = 0.5) -> list[Stage]:
    stages = sft_then_rl()
    gate = {"metric": "pass@1", "at_least": at_least, "on_fail": on_fail}
    return [dataclasses.replace(stages[0], gate=gate), stages[1]]


def test_a_gate_that_stops_changes_no_result_and_one_that_keeps_does() -> None:
    graph = graph_of(
        sft_then_rl(),
        with_gate("stop"),
        with_gate("keep_previous"),
        with_gate("keep_previous", 0.9),
    )
    plain, stops, keeps, keeps_more = (run.stages[1].stage for run in graph.runs)
    assert plain == stops and len({plain, keeps, keeps_more}) == 3
    assert len({run.stages[0].stage for run in graph.runs}) == 1
    (edge,) = graph.stages[keeps].kept
    assert edge.evaluation == graph.runs[2].stages[0].after
    assert graph.stages[plain].kept == ()
    assert [len(run.stages[1].gates) for run in graph.runs] == [0, 1, 1, 1]


@pytest.mark.parametrize("place", ["start", "rollout.model_from"])
def test_a_gate_that_keeps_counts_in_whatever_names_its_stage(place: str) -> None:
    def stages(gate: dict[str, Any] | None) -> list[Stage]:
        sampler = {"name": "plain", "model_from": "sft" if place != "start" else None}
        start = "sft" if place == "start" else "base"
        late = Stage("late", config(rollout=sampler), after=("sft",), start_from=start)
        return [Stage("sft", config(seed=7), gate=gate), late]

    keeps = {"metric": "pass@1", "at_least": 0.5, "on_fail": "keep_previous"}
    graph = graph_of(stages(None), stages(keeps), stages({**keeps, "on_fail": "stop"}))
    plain, kept, stopped = (graph.stages[run.stages[1].stage] for run in graph.runs)
    assert plain.fingerprint == stopped.fingerprint != kept.fingerprint
    assert plain.inputs == kept.inputs and stages_of({"": kept.inputs[place]})
    assert [gate.stage for gate in kept.kept] == list(kept.parents)


def test_an_evaluation_with_a_loss_on_demonstrations_serves_one_without() -> None:
    def teaching(template: str | None) -> dict[str, Any]:
        mix = {"train": {"a": {}}, "held_out": {"b": {}}, "response_template": template}
        return config(data_mix=mix)

    rl = Stage("rl", teaching(None), "policy_gradient", after=("sft",))
    graph = graph_of(
        [Stage("sft", teaching("{solution}")), rl], [Stage("sft", teaching("{answer}"))]
    )
    assert graph.runs[0].stages[0].after == graph.runs[0].stages[1].before
    assert graph.runs[0].stages[0].before != graph.runs[1].stages[0].before


@pytest.mark.parametrize(("fresh", "expected"), [(True, [True, True]), (["rl"], [False, True])])
def test_fresh_stages_and_their_evaluations_are_done_again(
    fresh: Any, expected: list[bool]
) -> None:
    graph = graph_of(sft_then_rl(), root={"fresh": fresh})
    assert [node.fresh for node in graph.stages.values()] == expected
    for node in graph.evaluations.values():
        stage = graph.stages[node.stage] if node.stage is not None else None
        assert node.fresh == (stage is not None and stage.fresh)


def extendable(schedule: str) -> bool:
    slot = {"type": {"slot": "optimizer/schedule"}, "optional": False, "default": "constant"}
    common = {"doc": "", "kind": "result", "choices": None, "bounds": {}}
    schema = schema_of(
        optimizer__adamw={"fields": {"schedule": {**slot, **common}}},
        optimizer__schedule__constant={"depends_on_steps": False},
        optimizer__schedule__cosine={"depends_on_steps": True},
        optimizer__schedule__silent={},
    )
    stages = [Stage("a", config(optimizer={"name": "adamw", "schedule": {"name": schedule}}))]
    graph = build_graph([(Member([]), stages)], outputs=Path("/nowhere"), schema=schema)
    (node,) = graph.stages.values()
    return node.extendable


def test_only_a_schedule_that_does_not_look_at_the_end_lets_a_stage_grow() -> None:
    assert extendable("constant")
    assert not extendable("cosine")
    assert not extendable("silent")  # one that does not say is taken to depend on it


def test_the_same_evaluation_nodes_are_found_by_fingerprint() -> None:
    graph = graph_of(sft_then_rl())
    for node in graph.order:
        assert graph.node(node.fingerprint) is node
        assert isinstance(node, (StageNode, EvaluationNode))
