"""A written graph reads back as it was, and a job reads no config but its own."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from etude.config.prepare import prepare
from etude.errors import ConfigError, SlurmError, StorageError
from etude.execute.outcomes import Outcome
from etude.execute.stop import Stop
from etude.launch import job, written
from etude.launch.resume import change
from etude.launch.units import ancestors, units_of
from etude.plan.graph import build_graph
from etude.plan.nodes import Graph

COMMAND = ["recipe=sft_then_rl", "objective=grpo,rloo", "seed=1,2", "tracker=none"]


@pytest.fixture
def graph(tmp_path: Path) -> Graph:
    made = build_graph(prepare([*COMMAND, f"outputs={tmp_path}"], multirun=True).runs)
    made.folder = tmp_path / "runs" / "2026-01-01-sweep-00aa"
    made.folder.mkdir(parents=True)
    written.write(made, {"name": "slurm", "partition": "gpu"})
    return made


def test_a_graph_reads_back_equal(graph: Graph) -> None:
    assert graph.folder is not None
    read, launcher = written.read(graph.folder)
    assert (read.stages, read.evaluations, read.order) == (
        graph.stages,
        graph.evaluations,
        graph.order,
    )
    assert read.runs == graph.runs and read.outputs == graph.outputs
    assert launcher == {"name": "slurm", "partition": "gpu"}


def test_a_job_reads_its_own_config_and_a_shared_one_is_written_once(graph: Graph) -> None:
    assert graph.folder is not None
    fingerprint = next(iter(graph.stages))
    read, _ = written.read(graph.folder, {fingerprint})
    assert read.stages[fingerprint] == graph.stages[fingerprint]
    assert all(not node.config for key, node in read.stages.items() if key != fingerprint)
    lines = (graph.folder / "plan" / "configs-1.jsonl").read_text().splitlines()
    assert len(lines) == len(set(lines)) < len(graph.order) + len(graph.runs)


def test_a_run_without_a_readable_graph_says_so(graph: Graph) -> None:
    assert graph.folder is not None
    (graph.folder / written.GRAPH).write_text("{")
    with pytest.raises(StorageError, match=r"graph\.json cannot be read"):
        written.read(graph.folder)


def test_a_stage_and_what_measures_its_model_are_one_unit(graph: Graph) -> None:
    units = units_of(graph)
    assert [unit.name for unit in units.values()].count("sft") == 2 and len(units) == 6
    nodes = [node.fingerprint for unit in units.values() for node in unit.nodes]
    assert sorted(nodes) == sorted(node.fingerprint for node in graph.order)
    for fingerprint, unit in units.items():
        assert unit.stage is not None and unit.stage.fingerprint == fingerprint
        assert unit.parents == graph.stages[fingerprint].after
        measured = [node for node in unit.nodes if node is not unit.stage]
        assert {node.stage for node in measured} <= {None, fingerprint}  # type: ignore[union-attr]
        # The base model is measured before its stage trains, the stage's own model after.
        assert (unit.nodes[0].fingerprint == fingerprint) == bool(unit.parents)
    rl = next(key for key, unit in units.items() if unit.parents)
    assert set(ancestors(graph, [rl])) == {rl, *units[rl].parents}


def test_a_job_cut_short_after_its_stage_is_not_done_and_lets_what_waits_begin(
    graph: Graph,
) -> None:
    key, unit = next(iter(units_of(graph).items()))
    stop = Stop()
    stop.request("SIGUSR2")
    before = job._ended(graph, unit, 130, stop)
    assert (before.state, before.code) == ("interrupted", 130)
    graph.outcomes[key] = Outcome("done")
    after = job._ended(graph, unit, 130, stop)
    assert (after.state, after.signal, after.code) == ("interrupted", "SIGUSR2", 0)
    assert replace(after, state="cancelled").code == 1
    assert job._ended(graph, unit, 0, stop).state == "done"


def test_a_job_that_ended_before_its_stage_began_says_why(graph: Graph) -> None:
    unit = next(iter(units_of(graph).values()))
    graph.outcomes[unit.nodes[0].fingerprint] = Outcome("failed", error="the verifier is gone")
    assert job._ended(graph, unit, 1, Stop()).why == "the verifier is gone"


def test_a_run_that_is_taken_up_may_change_machines_and_nothing_else(graph: Graph) -> None:
    assert graph.folder is not None
    change(
        graph.folder,
        ["execution.micro_batch_tokens=512", "stages.rl.resources.time=60", "launcher.nodes=2"],
    )
    change(graph.folder, ["launcher.time=1:30:00", "launcher.sbatch={nice:100}"])
    read, launcher = written.read(graph.folder)
    assert (launcher["nodes"], launcher["time"], launcher["sbatch"]["nice"]) == (2, "1:30:00", 100)
    assert list(read.stages) == list(graph.stages)
    for node in read.order:
        assert node.config["execution"]["micro_batch_tokens"] == 512
    times = {(node.name, node.resources.get("time")) for node in read.stages.values()}
    assert {(name, str(time)) for name, time in times} == {("sft", "None"), ("rl", "60")}
    noted = (graph.folder / "changes.jsonl").read_text()
    assert json.loads(noted.splitlines()[0])["changes"][0] == "execution.micro_batch_tokens=512"


def test_changes_that_would_change_results_are_refused_together(graph: Graph) -> None:
    assert graph.folder is not None
    before = (graph.folder / written.GRAPH).read_bytes()
    with pytest.raises(ConfigError) as caught:
        change(graph.folder, ["optimizer.lr=1", "stages.code.execution.threads=1", "execution"])
    assert [fault.typed for fault in caught.value.faults] == [
        "optimizer.lr=1",
        "stages.code.execution.threads=1",
        "execution",
    ]
    for bad in ("execution.micro_batch_tokns=4", "execution.threads=0", "launcher.nods=2"):
        with pytest.raises(ConfigError):
            change(graph.folder, [bad])
    with pytest.raises(ConfigError, match="is not a time limit"):
        change(graph.folder, ["launcher.time=soon"])

    def refuse(*changed: object) -> None:
        raise SlurmError("SLURM would refuse")

    with pytest.raises(SlurmError):
        change(graph.folder, ["launcher.partition=gpus"], ask=refuse)
    assert (graph.folder / written.GRAPH).read_bytes() == before
