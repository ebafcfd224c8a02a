"""Planning a sweep costs work for what is different in it, not for every member again."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from etude.config import check_stage, conform
from etude.config.compose import roots_of
from etude.config.hydra_private import Composer
from etude.config.installation import make
from etude.config.prepare import Prepared, prepare
from etude.plan import canonical, estimate, kinds
from etude.plan.canonical import Canonicaliser
from etude.plan.describe import describe
from etude.plan.graph import build_graph
from etude.plan.layout import Folders
from etude.plan.nodes import Graph
from etude.plan.quantities import size
from etude.schema import built_in

HERE = make(built_in(), Path(__file__).parents[2] / "src" / "etude", [], None)

SWEEP = ["recipe=length_progressive", "objective=grpo,rloo", "stages.long.training.steps=40,50"]


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """Count compositions, judged stages, nodes completed, nodes made canonical and estimates."""
    counts: Counter[str] = Counter()

    def count(owner: Any, name: str, title: str) -> None:
        whole = getattr(owner, name)

        def counting(*given: Any, **named: Any) -> Any:
            counts[title] += 1
            return whole(*given, **named)

        monkeypatch.setattr(owner, name, counting)

    count(Composer, "compose", "compositions")
    count(check_stage, "judged", "judged")
    count(conform.Conformer, "node", "completed")
    count(Canonicaliser, "node", "canonical")
    count(kinds, "estimate", "estimates")
    yield counts


def planned(seeds: int, folder: Path, *more: str) -> tuple[Graph, str]:
    roots_of.cache_clear()  # as in a new process
    given = [*SWEEP, f"seed=range(1,{seeds + 1})", *more]
    prepared = prepare(given, multirun=True, installation=HERE)
    graph = build_graph(prepared.runs, outputs=folder, schema=HERE.schema)
    return graph, describe(graph, schema=HERE.schema, width=160)


def test_each_choice_of_groups_is_composed_once(counted: Counter[str], tmp_path: Path) -> None:
    graph, _ = planned(15, tmp_path)
    assert len(graph.runs) == 60
    assert counted["compositions"] == 2


def test_more_members_of_a_kind_are_no_more_work(counted: Counter[str], tmp_path: Path) -> None:
    planned(2, tmp_path)
    few = dict(counted)
    counted.clear()
    planned(15, tmp_path)
    assert dict(counted) == few
    assert set(few) == {"compositions", "judged", "completed", "canonical", "estimates"}


def test_a_value_of_each_member_is_work_for_its_own_node_alone(
    counted: Counter[str], tmp_path: Path
) -> None:
    planned(1, tmp_path, "stages.sft.optimizer.lr=1e-3")
    one = counted.copy()
    counted.clear()
    planned(1, tmp_path, "stages.sft.optimizer.lr=" + ",".join(f"{n}e-4" for n in range(1, 21)))
    counted.subtract(one)
    # The optimizer of one stage and its schedule, for 19 more rates; nothing else is looked at.
    assert counted["completed"] == counted["canonical"] == 19 * 2
    assert counted["judged"] == counted["estimates"] == 19


def test_a_member_of_a_sweep_is_planned_as_it_would_be_alone(tmp_path: Path) -> None:
    words = [
        ["stages.short.optimizer.lr=1e-4", "rollout.temperature=0.5", "seed=1"],
        ["stages.short.optimizer.lr=2e-4", "rollout.temperature=0.5", "seed=1"],
        ["stages.short.optimizer.lr=1e-4", "rollout.temperature=1", "seed=1"],
        ["stages.short.optimizer.lr=2e-4", "rollout.temperature=1", "seed=1"],
    ]
    sweep = ["stages.short.optimizer.lr=1e-4,2e-4", "rollout.temperature=0.5,1", "seed=1"]

    def of(given: list[str]) -> Prepared:
        return prepare(["recipe=length_progressive", *given], multirun=True, installation=HERE)

    def told(run: Any) -> str:
        member, stages = run
        return json.dumps([member.root, [stage.config for stage in stages]])

    together = of([sweep[1], sweep[0], sweep[2]])
    graph = build_graph(together.runs, outputs=tmp_path, schema=HERE.schema)
    describe(graph, schema=HERE.schema)
    for place, given in enumerate(words):
        alone = of([given[1], given[0], given[2]])
        assert told(together.runs[place]) == told(alone.runs[0])
        own = build_graph(alone.runs, outputs=tmp_path, schema=HERE.schema)
        assert graph.runs[place].stages == own.runs[0].stages


def test_the_text_of_a_fragment_is_the_text_of_its_value() -> None:
    value = {"b": [1, 2.0, None], "a": {"é": "x", "": True}, "c": {}}
    held = canonical.Fragment(value, canonical.to_json(value), {})
    plain = json.dumps(
        {"z": value, "y": 1}, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    assert (
        canonical.to_json({"z": held, "y": 1}) == canonical.to_json({"z": value, "y": 1}) == plain
    )


def test_a_large_plan_is_told_by_groups(tmp_path: Path) -> None:
    graph, text = planned(15, tmp_path)
    lines = text.splitlines()
    assert (
        lines[0]
        == "135 stages for 60 runs (105 shared): 15 × sft, 30 × short, 30 × middle, 60 × long"
    )
    assert len(lines) < 40
    assert any("15 to do · each for 4 runs · differing in seed=1 … 15" in line for line in lines)
    assert any("objective=grpo, rloo; stages.long.training.steps=40, 50" in line for line in lines)
    # Estimates that alike stages share add up to those of each stage alone.
    disk = 0.0
    for node in graph.stages.values():
        config = {**node.config, "resources": node.resources}
        disk += estimate.estimate(config, node.learner, tmp_path, HERE.schema).disk
    assert f" disk         ~{size(disk)} in " in text


def test_done_stages_of_a_large_plan_are_counted(tmp_path: Path) -> None:
    graph, _ = planned(15, tmp_path)
    for node in list(graph.stages.values())[:7]:
        folder = tmp_path / "stages" / f"other-{node.fingerprint}"  # done under another name
        folder.mkdir(parents=True)
        (folder / "DONE.json").write_text('{"steps": 1, "seconds": 2.0, "files": {}}')
    text = describe(graph, schema=HERE.schema, width=160)
    assert "stages       128 to train, 7 done already" in text


def test_folders_are_listed_once_for_all_nodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        (tmp_path / "stages" / f"a-f{number}").mkdir(parents=True)
    (tmp_path / "stages" / ".replaced-f9").mkdir()
    listed: list[Path] = []
    whole = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda path: listed.append(path) or whole(path))
    folders = Folders(tmp_path)
    found = [folders.stage("b", f"f{number}").name for number in range(10)]
    assert found == [f"a-f{n}" for n in range(5)] + [f"b-f{n}" for n in range(5, 10)]
    assert len(listed) == 1
