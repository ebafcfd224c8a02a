"""The matrix of scores of a run: every benchmark before its first stage and after each stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from etude.errors import DataError, StorageError
from etude.execute.metric import BEST_BY, names_of, value_of
from etude.launch import written
from etude.measures.transfer import StageMatrix
from etude.plan import layout, records
from etude.plan.nodes import Graph, Measured, Run, RunStage


@dataclass(frozen=True)
class Chain:
    """What one run measured along its stages.

    ``metrics`` is what each benchmark is scored by; ``errors`` half the width of the interval of
    each score, nan where it has none, shaped as the scores.
    """

    name: str
    matrix: StageMatrix
    metrics: Mapping[str, str]
    errors: np.ndarray
    folders: Mapping[str, Path]


def chains(
    folder: Path, trains: Mapping[str, Sequence[str]] | None = None, metric: str | None = None
) -> list[Chain]:
    """Return the chain of every member of the run in ``folder``.

    ``trains`` is benchmark → the stages that train it; one that is not named is trained by the
    stages whose rows come from a source of its own rows. Raises StorageError or DataError where
    there is no chain of stages, or an evaluation is missing.
    """
    graph, _ = written.read(folder)
    found = [_chain(graph, run, trains or {}, metric) for run in graph.runs if run.stages]
    if not found:
        raise DataError(f"{folder.name} trains no stage; a transfer is measured along stages")
    return found


def _chain(
    graph: Graph, run: Run, trains: Mapping[str, Sequence[str]], metric: str | None
) -> Chain:
    stages = [stage for stage in run.stages if stage.measured]
    if not stages:
        raise DataError(f"no stage of {run.name} is measured; give the recipe an evaluation")
    names = [each.name for each in stages[0].evaluations if each.before and each.after]
    names = [n for n in names if all(_of(stage, n) is not None for stage in stages)]
    if not names:
        raise DataError(
            f"no evaluation of {run.name} measures every stage; one under evaluations.NAME at the "
            "root of the recipe measures all of them"
        )
    _refuse_branches(run, stages, names)
    results = {name: _along(graph, stages, name) for name in names}
    metrics = {name: metric or _usual(results[name][0]) for name in names}
    scores = [[_score(r, metrics[n], n) for r in results[n]] for n in names]
    errors = [[_error(r, metrics[n]) for r in results[n]] for n in names]
    _refuse_unknown(trains, names, [stage.name for stage in stages])
    matrix = StageMatrix(
        names,
        [[n for n in names if _trains(graph, stage, n, trains.get(n))] for stage in stages],
        np.array(scores).T,
        [stage.name for stage in stages],
    )
    folders = {
        stage.name: layout.stage_folder(graph.outputs, graph.stages[stage.stage].name, stage.stage)
        for stage in stages
    }
    return Chain(run.name, matrix, metrics, np.array(errors).T, folders)


def _of(stage: RunStage, name: str) -> Measured | None:
    return next(
        (each for each in stage.evaluations if each.name == name and each.before and each.after),
        None,
    )


def _refuse_branches(run: Run, stages: Sequence[RunStage], names: Sequence[str]) -> None:
    """Refuse stages of which one does not start where the one before it ended."""
    for earlier, later in pairwise(stages):
        ended, begins = _of(earlier, names[0]), _of(later, names[0])
        assert ended is not None and begins is not None
        if ended.after != begins.before:
            raise DataError(
                f"{run.name} is no chain: {later.name} does not start from the model of "
                f"{earlier.name}, so nothing was carried from one to the other"
            )


def _along(graph: Graph, stages: Sequence[RunStage], name: str) -> list[dict[str, Any]]:
    """Return an evaluation's results before the first stage and after each."""
    measured = [_of(stage, name) for stage in stages]
    assert all(each is not None for each in measured)
    keys = [measured[0].before, *(each.after for each in measured if each is not None)]  # type: ignore[union-attr]
    return [_result(graph, str(key)) for key in keys]


def _result(graph: Graph, fingerprint: str) -> dict[str, Any]:
    node = graph.evaluations[fingerprint]
    folder = layout.evaluation_folder(graph.outputs, node.name, fingerprint)
    found = layout.read_json(folder / "result.json", records.MEASURED)
    if found is None or layout.finished(folder) is None:
        raise StorageError(f"{folder} is not finished; the chain is told once the run is")
    return found


def _usual(result: Mapping[str, Any]) -> str:
    """Return what an evaluation is scored by: pass@1, else accuracy, else its first metric."""
    names = names_of(result)
    usual = [name for name, better in BEST_BY if better and name in names]
    return (usual or names)[0]


def _score(result: Mapping[str, Any], metric: str, name: str) -> float:
    value = value_of(result, metric)
    if value is None:
        raise DataError(
            f"the evaluation {name} has no '{metric}'; it has {', '.join(names_of(result))}"
        )
    return value


def _error(result: Mapping[str, Any], metric: str) -> float:
    entry = (result.get("metrics") or {}).get(metric)
    if not isinstance(entry, dict) or "low" not in entry:
        return float("nan")
    return float(entry["high"] - entry["low"]) / 2


def _refuse_unknown(
    trains: Mapping[str, Sequence[str]], names: Sequence[str], stages: Sequence[str]
) -> None:
    for benchmark, wanted in trains.items():
        if benchmark not in names:
            raise DataError(f"there is no benchmark '{benchmark}'; there are {', '.join(names)}")
        for stage in wanted:
            if stage not in stages:
                raise DataError(f"there is no stage '{stage}'; there are {', '.join(stages)}")


def _trains(graph: Graph, stage: RunStage, name: str, said: Sequence[str] | None) -> bool:
    """Tell whether a stage trains a benchmark: as was said, else by the sources of both."""
    if said is not None:
        return stage.name in said
    measured = _of(stage, name)
    assert measured is not None
    held_out = _sources(graph.evaluations[str(measured.after)].config, "held_out")
    return bool(held_out & _sources(graph.stages[stage.stage].config, "train"))


def _sources(config: Mapping[str, Any], side: str) -> set[str]:
    parts = (config.get("data_mix") or {}).get(side) or {}
    return {str((part or {}).get("source") or name) for name, part in parts.items()}
