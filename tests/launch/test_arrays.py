"""Units become as few submissions as SLURM's dependencies allow, and every edge is kept."""

from __future__ import annotations

import random

import pytest

from etude.launch.arrays import Batch, Edge, batches_of
from etude.launch.units import Unit


def unit(name: str, fingerprint: str, *parents: str) -> Unit:
    return Unit(fingerprint, name, (), parents)


def graph(*units: Unit) -> dict[str, Unit]:
    return {each.fingerprint: each for each in units}


def named(batches: list[Batch]) -> list[list[str]]:
    return [[each.fingerprint for each in batch.units] for batch in batches]


def waits(batches: list[Batch]) -> dict[str, set[str]]:
    """Return unit → the units it waits for, as SLURM would read the edges."""
    found: dict[str, set[str]] = {}
    for batch in batches:
        for task, each in enumerate(batch.units):
            before = found.setdefault(each.fingerprint, set())
            for edge in batch.edges:
                if edge.batch is None:
                    before.add(f"job {edge.job}")
                    continue
                at = task if edge.task is None else edge.task
                before.add(batches[edge.batch].units[at].fingerprint)
    return found


def paired(edge: Edge) -> bool:
    """Tell whether the tasks of a batch wait for those of the same number."""
    return edge.batch is not None and edge.task is None


def test_children_of_few_parents_are_an_array_for_each_parent() -> None:
    sft = [unit("sft", f"s{seed}") for seed in (1, 2)]
    rl = [unit("rl", f"r{seed}{method}", f"s{seed}") for seed in (1, 2) for method in "abc"]
    batches = batches_of(graph(*sft, *rl), lambda each: 0, largest=100)
    assert named(batches) == [["s1", "s2"], ["r1a", "r1b", "r1c"], ["r2a", "r2b", "r2c"]]
    assert [batch.edges for batch in batches] == [(), (Edge(0, 0),), (Edge(0, 1),)]


def test_a_long_sweep_is_one_array_a_stage_paired_task_by_task() -> None:
    names = ("sft", "math", "code")
    units = [
        unit(name, f"{name}{seed}", *([f"{names[at - 1]}{seed}"] if at else []))
        for seed in range(1000)
        for at, name in enumerate(names)
    ]
    batches = batches_of(graph(*units), lambda each: 0, largest=1000)
    assert [len(batch.units) for batch in batches] == [1000] * 3
    assert [batch.edges for batch in batches] == [(), (Edge(0),), (Edge(1),)]
    assert all(paired(batch.edges[0]) for batch in batches[1:])


def test_units_of_other_shapes_or_names_do_not_share_an_array() -> None:
    units = graph(unit("sft", "a"), unit("sft", "b"), unit("rl", "c"))
    assert named(batches_of(units, lambda each: each.fingerprint == "b", largest=9)) == [
        ["a"],
        ["b"],
        ["c"],
    ]


def test_a_unit_in_the_queue_is_waited_for_by_its_job() -> None:
    units = graph(unit("rl", "r1", "s1"), unit("rl", "r2", "s2"))
    batches = batches_of(units, lambda each: 0, largest=9, queued={"s1": "7_0"})
    assert waits(batches) == {"r1": {"job 7_0"}, "r2": set()}


@pytest.mark.parametrize("seed", range(60))
def test_every_edge_is_kept_whatever_the_graph(seed: int) -> None:
    draw = random.Random(seed)
    largest = draw.choice([1, 2, 3, 5, 100])
    units: dict[str, Unit] = {}
    for number in range(draw.randrange(1, 40)):
        known = list(units)
        parents = draw.sample(known, min(len(known), draw.choice([0, 1, 1, 1, 2, 3])))
        name = draw.choice(["sft", "math", "rl"])
        units[f"u{number}"] = unit(name, f"u{number}", *parents)
    finished = set(draw.sample(list(units), len(units) // 4))
    queued = {key: f"9_{key}" for key in units if key not in finished and draw.random() < 0.1}
    todo = {key: each for key, each in units.items() if key not in finished and key not in queued}
    batches = batches_of(todo, lambda each: len(each.parents) % 2, largest=largest, queued=queued)
    placed = [key for batch in named(batches) for key in batch]
    assert sorted(placed) == sorted(todo) and max(map(len, named(batches)), default=0) <= largest
    found = waits(batches)
    for key, each in todo.items():
        wanted = {p for p in each.parents if p in todo}
        wanted |= {f"job {queued[p]}" for p in each.parents if p in queued}
        assert found[key] == wanted
        assert all(placed.index(p) < placed.index(key) for p in each.parents if p in todo)
    for number, batch in enumerate(batches):
        assert all(edge.batch is None or edge.batch < number for edge in batch.edges)
        for edge in batch.edges:
            if paired(edge):
                assert len(batches[edge.batch].units) == len(batch.units) > 1
