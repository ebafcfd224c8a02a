"""`etude resume RUN`: go on with a run as it was written down, machines and cadence apart."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import yaml

from etude.cli.frame import let_threads_sleep
from etude.config.settings import Execution, Resources
from etude.errors import ConfigError, Fault, StorageError
from etude.execute.lines import LineWriter
from etude.launch import written
from etude.plan import layout
from etude.plan.nodes import Graph, StageNode

_CHANGES = "changes.jsonl"
_MAY_CHANGE = (
    "can no longer change: the run's results rest on it. What can are execution.KEY, resources.KEY "
    "(of one stage: stages.NAME.execution.KEY) and launcher.KEY; `train` makes another run."
)


def main(arguments: Sequence[str]) -> int:
    """Go on with a run: `etude resume RUN [execution.KEY=VALUE] [launcher.KEY=VALUE]`."""
    parser = argparse.ArgumentParser("etude resume", description=main.__doc__)
    parser.add_argument("run", help="part of a run's name")
    parser.add_argument("changes", nargs="*", help="KEY=VALUE of execution, resources or launcher")
    parser.add_argument("--outputs", type=Path, default=Path("outputs"), help="where runs lie")
    given = parser.parse_args(arguments)
    from etude.build import build
    from etude.launch.seeing.asked import the_one

    folder = the_one(given.outputs.expanduser().absolute(), given.run)
    if not written.is_written(folder):
        raise StorageError(
            f"{folder.name} has no written graph to go on from; run its command again: "
            f"{_command(folder)}"
        )
    if given.changes:
        change(folder, given.changes)
    launcher = build(written.read_plain(folder)["launcher"], "launcher")
    let_threads_sleep()
    code: int = launcher.resume(folder)
    return code


def _command(folder: Path) -> str:
    words = (layout.read_json(folder / "environment.json") or {}).get("command") or ["train"]
    return " ".join([Path(words[0]).name, *words[1:]])


def change(folder: Path, changes: Sequence[str]) -> None:
    """Lay values of execution, resources or the launcher over a written run, and note it.

    Finished stages keep the config they were trained with. Raises ConfigError with every fault.
    """
    graph, launcher = written.read(folder)
    faults: list[Fault] = []
    laid = [_split(text, graph, faults) for text in changes]
    if faults:
        raise ConfigError(faults)
    for stage, group, values in laid:
        if group == "launcher":
            launcher = {**launcher, **values}
            continue
        _lay(graph, [n for n in graph.stages.values() if stage in (None, n.name)], group, values)
    _judge(graph, launcher)
    written.write(graph, launcher)
    writer = LineWriter(folder / _CHANGES)
    writer.write({"changes": list(changes), "at": time.strftime("%Y-%m-%dT%H:%M:%S%z")})
    writer.close()


def _split(text: str, graph: Graph, faults: list[Fault]) -> tuple[str | None, str, dict[str, Any]]:
    key, equals, value = text.partition("=")
    words = key.split(".")
    stage = None
    if words[0] == "stages" and len(words) > 2:
        stage, words = words[1], words[2:]
        names = dict.fromkeys(node.name for node in graph.stages.values())
        if stage not in names:
            faults.append(
                Fault(text, f"there is no stage '{stage}'; there are {', '.join(names)}.")
            )
    if not equals or len(words) != 2 or words[0] not in ("execution", "resources", "launcher"):
        faults.append(Fault(text, _MAY_CHANGE if equals else "is no KEY=VALUE."))
        return None, "", {}
    return stage, words[0], {words[1]: yaml.safe_load(value)}


def _lay(graph: Graph, nodes: list[StageNode], group: str, values: Mapping[str, Any]) -> None:
    """Put changed stages, and the evaluations under their configs, in the place of the old ones."""
    configs: dict[int, dict[str, Any]] = {}
    for node in nodes:
        if group == "resources":
            changed = replace(node, resources={**node.resources, **values})
        else:
            execution = {**(node.config.get("execution") or {}), **values}
            # Nodes of equal configs were read as one object and stay one.
            config = configs.setdefault(id(node.config), {**node.config, "execution": execution})
            changed = replace(node, config=config)
        graph.stages[node.fingerprint] = changed
    for key, measured in graph.evaluations.items():
        if id(measured.config) in configs:
            graph.evaluations[key] = replace(measured, config=configs[id(measured.config)])
    graph.order[:] = [graph.node(node.fingerprint) for node in graph.order]


def _judge(graph: Graph, launcher: Mapping[str, Any]) -> None:
    """Refuse values that are none, as the front check of `train` would."""
    from etude.build import build, build_struct

    build(launcher, "launcher")
    known = {each.name for each in fields(Execution)}
    for node in graph.stages.values():
        build_struct(Resources, node.resources, f"stages.{node.name}.resources")
        own = node.config.get("execution") or {}
        unknown = [key for key in own if key not in known]
        if unknown:
            from etude.config.spelling import did_you_mean

            raise ConfigError(
                [
                    Fault(f"execution.{key}", f"there is no such key.{did_you_mean(key, known)}")
                    for key in unknown
                ]
            )
        build_struct(Execution, own, f"stages.{node.name}.execution")
