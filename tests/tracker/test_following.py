"""What a tracker is told of a stage, whatever it keeps it in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from fake_training import STEPS, Attempt, a_run, measured

from etude.errors import Interrupted
from etude.plan.nodes import EvaluationNode, Graph
from etude.plan.references import Base
from etude.tracker.following import StageFollowing
from evidence import done, dump


class Kept:
    """A record in memory."""

    def __init__(self, kind: str, config: Mapping[str, Any], again: bool) -> None:
        self.kind, self.config, self.again = kind, config, again
        self.rows: list[tuple[int, dict[str, float]]] = []
        self.tables: dict[str, list[int]] = {}
        self.said: dict[str, Any] = {}
        self.ended = ""

    def log(self, place: Any, values: Mapping[str, float], at: float | None = None) -> None:
        assert not self.rows or place.order >= self.rows[-1][0], "places come in their order"
        self.rows.append((place.order, dict(values)))

    def table(self, name: str, place: Any, columns: Any, rows: Any) -> None:
        self.tables.setdefault(name, []).append(place.step)

    def facts(self, values: Mapping[str, Any]) -> None:
        self.said |= values

    def page(self, name: str, path: Path) -> None:
        self.said[name] = path

    def close(self, ended: str) -> None:
        self.ended = ended

    def values(self, key: str) -> list[tuple[int, float]]:
        return [(order, row[key]) for order, row in self.rows if key in row]


class Keeper(StageFollowing):
    """Keeps every record."""

    def __init__(self) -> None:
        super().__init__(samples=2)
        self.kept: list[Kept] = []

    def open(self, node: Any, kind: str, config: Mapping[str, Any], *, again: bool) -> Kept:
        self.kept.append(Kept(kind, config, again))
        return self.kept[-1]

    def open_sweep(self, graph: Graph) -> Kept:
        return self.open(None, "sweep", {}, again=False)

    def where(self) -> str:
        return ""


@pytest.fixture
def graph(tmp_path: Path) -> Graph:
    return a_run(tmp_path / "outputs")


def begun(graph: Graph) -> Keeper:
    keeper = Keeper()
    keeper.run_started(graph)
    return keeper


def test_a_stage_is_told_whole_in_its_order(graph: Graph) -> None:
    keeper = begun(graph)
    attempt = Attempt([keeper], graph, 1, 0)
    attempt.steps(STEPS)
    keeper.stage_finished(attempt.node, seconds=2.0, folder=str(attempt.folder))
    keeper.evaluated(graph.evaluations["e0"], None, measured(1.0))
    keeper.run_finished(graph)
    (record,) = keeper.kept
    assert record.values("loss") == [(2 * n + 1, float(n)) for n in range(STEPS)]
    assert record.values("evaluation/pass@1") == [(10, 0.5), (20, 1.0), (20, 1.0)]
    assert record.values("at_a_glance/2_pass@1") == record.values("evaluation/pass@1")
    assert record.tables == {"samples": [5, 10], "evaluation/samples": [5, 10]}
    assert record.said["seconds"] == 2.0 and record.ended == "done"
    assert record.config["differs"] == {} and not record.again


def test_what_another_process_measured_of_the_start_is_there_too(graph: Graph) -> None:
    before = EvaluationNode("base", "b0", {}, {"model": Base()})
    graph.evaluations["b0"] = before
    folder = graph.outputs / "evaluations" / before.folder_name
    folder.mkdir(parents=True)
    dump(folder / "result.json", measured(0.25))
    keeper = begun(graph)
    Attempt([keeper], graph, 1, 0)
    assert keeper.kept[-1].rows == []  # it has not ended yet
    done(folder, "base", "b0")
    Attempt([keeper], graph, 2, 0)
    assert keeper.kept[-1].values("evaluation/pass@1") == [(0, 0.25)]
    # What this process measured itself is told once.
    keeper.evaluated(before, None, measured(0.25))
    Attempt([keeper], graph, 3, 0)
    assert keeper.kept[-1].values("evaluation/pass@1") == [(0, 0.25)]


@pytest.mark.parametrize(
    ("error", "ended"),
    [(RuntimeError("broken"), "failed"), (Interrupted("a signal"), "interrupted")],
)
def test_a_stage_that_does_not_end_says_why(graph: Graph, error: Exception, ended: str) -> None:
    keeper = begun(graph)
    attempt = Attempt([keeper], graph, 1, 0)
    attempt.steps(2)
    keeper.stage_failed(attempt.node, step=2, error=error)
    keeper.run_finished(graph)
    assert [each.ended for each in keeper.kept] == [ended]


def test_members_of_a_sweep_say_what_differs_and_the_sweep_how_they_compare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from etude.comparing.sweep import compared
    from etude.tracker import comparison
    from recorded_runs import sweep

    recorded = sweep(tmp_path / "recorded")
    monkeypatch.setattr(comparison, "found_in", lambda graph: compared(recorded.folder))
    graph = a_run(
        tmp_path / "outputs", [("optimizer.lr=0.1", "seed=1"), ("optimizer.lr=0.2", "seed=1")]
    )
    keeper = begun(graph)
    Attempt([keeper], graph, 1, 0).steps(1)
    keeper.run_finished(graph)
    member, whole = keeper.kept
    assert member.config["differs"] == {"optimizer.lr": 0.1}
    assert whole.kind == "sweep" and list(whole.tables) == ["comparison"]
    assert whole.said["metric"] == "pass@1" and whole.said["comparisons"] == 1
    # A job sees a part of a sweep: the last one tells of the whole.
    part = begun(graph)
    graph.whole = graph.runs
    Attempt([part], graph, 2, 0)
    part.run_finished(graph)
    assert len(part.kept) == 1
