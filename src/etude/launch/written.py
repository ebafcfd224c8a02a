"""A graph written into its run's folder, from which jobs work: what runs is what was submitted.

``plan/graph.json`` holds the nodes and edges, and names the file with every distinct config once
(``plan/configs-1.jsonl``; a changed run gets another). A node names its config by (offset, length),
so a job reads its own and no other.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from etude.errors import StorageError
from etude.execute import atomic
from etude.plan import layout, references
from etude.plan.nodes import EvaluationNode, GateEdge, Graph, Measured, Run, RunStage, StageNode
from etude.plan.records import Each

GRAPH = Path("plan") / "graph.json"

SHAPE = {
    "configs": str,
    "outputs": str,
    "launcher": {"name": str},
    "order": [str],
    "stages": Each({"name": str, "fingerprint": str, "lineage": str}),
    "evaluations": Each({"name": str, "fingerprint": str}),
    "runs": [{"name": str, "overrides": [str], "stages": [{"name": str, "stage": str}]}],
}


def write(graph: Graph, launcher: Mapping[str, Any]) -> None:
    """Write a graph and its launcher's config into the run's folder. Raises StorageError."""
    assert graph.folder is not None  # made before by run_folder.make
    configs = _Configs()
    place = graph.folder / GRAPH.parent
    name = f"configs-{len(list(place.glob('configs-*.jsonl'))) + 1}.jsonl"
    content = {
        "layout": layout.LAYOUT,
        "configs": name,
        "outputs": str(graph.outputs),
        "launcher": dict(launcher),
        "order": [node.fingerprint for node in graph.order],
        "stages": {key: _stage(node, configs) for key, node in graph.stages.items()},
        "evaluations": {key: _evaluation(node, configs) for key, node in graph.evaluations.items()},
        "runs": [
            {
                "name": run.name,
                "overrides": list(run.overrides),
                "warnings": list(run.warnings),
                "root": configs.place(run.root),
                "stages": [asdict(stage) for stage in run.stages],
            }
            for run in graph.runs
        ],
    }
    with atomic.writing(place / name) as stream:
        stream.writelines(configs.lines)
    atomic.write_text(graph.folder / GRAPH, json.dumps(content, ensure_ascii=False) + "\n")


class _Configs:
    """Distinct configs as lines, each with its place in the file."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self._end = 0
        self._by_object: dict[int, tuple[Any, list[int]]] = {}
        self._by_text: dict[bytes, list[int]] = {}

    def place(self, config: Mapping[str, Any]) -> list[int]:
        """Return (offset, length) of a config, adding it when it is new."""
        known = self._by_object.get(id(config))
        if known is not None:
            return known[1]
        line = json.dumps(config, ensure_ascii=False, default=str).encode() + b"\n"
        if line not in self._by_text:
            self._by_text[line] = [self._end, len(line)]
            self.lines.append(line)
            self._end += len(line)
        # The object is kept with its place: an id may be given again once its object is gone.
        self._by_object[id(config)] = (config, self._by_text[line])
        return self._by_text[line]


def _inputs(node: StageNode | EvaluationNode) -> dict[str, Any]:
    return {place: references.as_json(value) for place, value in node.inputs.items()}


def _read_inputs(entry: Mapping[str, Any]) -> dict[str, references.Input]:
    return {place: references.of_json(written) for place, written in entry["inputs"].items()}


def _stage(node: StageNode, configs: _Configs) -> dict[str, Any]:
    content = {each.name: getattr(node, each.name) for each in fields(node)}
    return {
        **content,
        "config": configs.place(node.config),
        "inputs": _inputs(node),
        "kept": [asdict(gate) for gate in node.kept],
    }


def _evaluation(node: EvaluationNode, configs: _Configs) -> dict[str, Any]:
    content = {each.name: getattr(node, each.name) for each in fields(node)}
    return {**content, "config": configs.place(node.config), "inputs": _inputs(node)}


def is_written(folder: Path) -> bool:
    """Tell whether a run's folder holds a written graph."""
    return os.path.lexists(folder / GRAPH)


def read_plain(folder: Path) -> dict[str, Any]:
    """Return the written graph as JSON, without any config. Raises StorageError."""
    why: list[str] = []
    content = layout.read_json(folder / GRAPH, SHAPE, why.append)
    if content is None:
        told = why[0] if why else f"there is no {folder / GRAPH}"
        raise StorageError(f"{told}; the run cannot be taken up again")
    if layout.said_version(content) != layout.LAYOUT:
        raise StorageError(of_another_version(folder, content))
    return content


def of_another_version(folder: Path, content: Mapping[str, Any]) -> str:
    """Return the sentence that a run's files are of another version, and left alone."""
    return (
        f"{folder.name} was made by another version of etude (layout "
        f"{layout.said_version(content)}, here it is {layout.LAYOUT}): it is left as it is and "
        "cannot be taken up here; the command that began it begins anew"
    )


def read(folder: Path, configs_of: Collection[str] | None = None) -> tuple[Graph, dict[str, Any]]:
    """Return the graph written in a run's folder, and its launcher's config.

    Raises StorageError; ``configs_of`` as in :func:`graph_of`.
    """
    content = read_plain(folder)
    return graph_of(folder, content, configs_of), content["launcher"]


def graph_of(
    folder: Path, content: Mapping[str, Any], configs_of: Collection[str] | None = None
) -> Graph:
    """Return the graph that :func:`read_plain` read in a run's folder.

    ``configs_of`` names the nodes whose configs are read (None: all, and the runs' roots); the
    others have an empty one. Raises StorageError.
    """
    path = folder / GRAPH.parent / content["configs"]
    try:
        return _graph_of(folder, path, content, configs_of)
    except OSError as error:
        why = str(error.strerror or error)
    except (ValueError, RecursionError):
        why = "it is damaged"
    except (KeyError, TypeError, AttributeError) as error:
        path, why = folder / GRAPH, f"it is damaged ({type(error).__name__}: {error})"
    raise StorageError(f"{path} cannot be read: {why}; the run cannot be taken up again")


def _graph_of(
    folder: Path, path: Path, content: Mapping[str, Any], configs_of: Collection[str] | None
) -> Graph:
    with path.open("rb") as stream:
        read_already: dict[int, Any] = {}

        def config(place: list[int], fingerprint: str | None) -> dict[str, Any]:
            if configs_of is not None and fingerprint not in configs_of:
                return {}
            offset, length = place
            if offset not in read_already:
                stream.seek(offset)
                read_already[offset] = json.loads(stream.read(length))
            found: dict[str, Any] = read_already[offset]
            return found

        stages = {
            key: _read_stage(entry, config(entry["config"], key))
            for key, entry in content["stages"].items()
        }
        evaluations = {
            key: _read_evaluation(entry, config(entry["config"], key))
            for key, entry in content["evaluations"].items()
        }
        wanted = set(configs_of or ())
        runs = []
        for entry in content["runs"]:
            views = tuple(_read_view(view) for view in entry["stages"])
            names = {name for view in views for name in (view.stage, *view.measured)}
            # A job tells trackers and views the root of a run that wants what it works on.
            reads = configs_of is None or not wanted.isdisjoint(names) or not views
            runs.append(
                Run(
                    entry["name"],
                    tuple(entry["overrides"]),
                    views,
                    config(entry["root"], next(iter(wanted), None)) if reads else {},
                    tuple(entry["warnings"]),
                )
            )
    nodes: dict[str, StageNode | EvaluationNode] = {**stages, **evaluations}
    order = [nodes[fingerprint] for fingerprint in content["order"]]
    return Graph(stages, evaluations, order, runs, Path(content["outputs"]), folder)


def _gate(entry: Mapping[str, Any] | None) -> GateEdge | None:
    return None if entry is None else GateEdge(**entry)


def _read_stage(entry: dict[str, Any], config: dict[str, Any]) -> StageNode:
    return StageNode(
        **{
            **entry,
            "config": config,
            "parents": tuple(entry["parents"]),
            "after": tuple(entry["after"]),
            "inputs": _read_inputs(entry),
            "outputs": tuple(entry["outputs"]),
            "kept": tuple(GateEdge(**gate) for gate in entry["kept"]),
        }
    )


def _read_evaluation(entry: dict[str, Any], config: dict[str, Any]) -> EvaluationNode:
    return EvaluationNode(**{**entry, "config": config, "inputs": _read_inputs(entry)})


def _read_view(entry: dict[str, Any]) -> RunStage:
    return RunStage(
        **{
            **entry,
            "waits_for": tuple(entry["waits_for"]),
            "gate": _gate(entry["gate"]),
            "gates": tuple(GateEdge(**gate) for gate in entry["gates"]),
            "others": tuple(Measured(**each) for each in entry.get("others", ())),
        }
    )
