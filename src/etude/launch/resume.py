"""`etude resume RUN`: go on with a run as it was written down, machines and cadence apart."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from etude.by_path import copies
from etude.cli.frame import Parser, let_threads_sleep, warn
from etude.config.quoting import command
from etude.config.settings import Execution, Resources
from etude.config.spelling import did_you_mean
from etude.errors import ConfigError, Fault, StorageError
from etude.execute.lines import LineWriter
from etude.launch import written
from etude.launch.resources import shape_of
from etude.launcher.slurm import Slurm
from etude.plan import layout, typed
from etude.plan.nodes import Graph, StageNode

_CHANGES = "changes.jsonl"
_NEWEST = 8
_MAY_CHANGE = (
    "can no longer change: the run's results rest on it. What can are execution.KEY, resources.KEY "
    "(of one stage: stages.NAME.execution.KEY) and launcher.KEY; `train` makes another run."
)


def main(arguments: Sequence[str]) -> int:
    """Go on with a run: `etude resume RUN [execution.KEY=VALUE] [launcher.KEY=VALUE]`."""
    parser = Parser("etude resume", description=main.__doc__)
    parser.add_argument("run", nargs="?", help="part of a run's name")
    parser.add_argument(
        "changes", nargs="*", default=[], help="KEY=VALUE of execution, resources or launcher"
    )
    parser.add_argument("--outputs", type=Path, default=Path("outputs"), help="where runs lie")
    given = parser.parse_args(arguments)
    from etude.build import build
    from etude.launch.seeing.asked import the_one

    if given.run is None:
        raise StorageError(_which(given.outputs.expanduser().absolute()))
    folder = the_one(given.outputs.expanduser().absolute(), given.run)
    if not written.is_written(folder):
        raise StorageError(
            f"{folder.name} has no written graph to go on from; run its command again: "
            f"{_command(folder)}"
        )
    for file in copies.changed(folder):
        warn([f"{file} is not what it was; {folder.name} goes on with the copy that it began with"])
    if given.changes:
        change(folder, given.changes, ask=_ask_slurm)
    launcher = build(written.read_plain(folder)["launcher"], "launcher")
    let_threads_sleep()
    code: int = launcher.resume(folder)
    return code


def _which(outputs: Path) -> str:
    """Return what to type for the newest runs that something is left of to do."""
    from etude.launch.seeing.status import runs

    left = [
        (Path(run.folder), run.headline)
        for run in runs(outputs, most=_NEWEST)
        if run.resume and any(state != "done" for state in run.counts)
    ]
    if not left:
        return f"nothing is left to do in the newest runs under {outputs / layout.RUNS}"
    lines = [f"  {typed.about('resume', folder, outputs)}   # {head}" for folder, head in left]
    return "\n".join(["which run? These have something left to do:", *lines])


def _command(folder: Path) -> str:
    about = layout.read_json(folder / layout.ENVIRONMENT, {"command": [str]}) or {}
    words = about.get("command") or ["train"]
    return command([Path(words[0]).name, *words[1:]])


def _ask_slurm(graph: Graph, launcher: Any) -> None:
    """Have SLURM say whether there are such machines. Raises SlurmError."""
    if isinstance(launcher, Slurm):
        from etude.launch.slurm.launch import left, try_out

        try_out(graph, launcher, left(graph).values())


def change(
    folder: Path,
    changes: Sequence[str],
    ask: Callable[[Graph, Any], None] = lambda graph, launcher: None,
) -> None:
    """Lay values of execution, resources or the launcher over a written run, and note it.

    Finished stages keep the config they were trained with. Nothing is written where a value is
    none: raises ConfigError with every fault, and what ``ask`` raises of the changed run.
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
    ask(graph, _judged(graph, launcher))
    written.write(graph, launcher)
    writer = LineWriter(folder / _CHANGES)
    writer.write({"changes": list(changes), "at": time.strftime("%Y-%m-%dT%H:%M:%S%z")})
    writer.close()


def _split(text: str, graph: Graph, faults: list[Fault]) -> tuple[str | None, str, dict[str, Any]]:
    key, equals, _ = text.partition("=")
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
    return stage, words[0], {words[1]: _value(text, faults)}


def _value(text: str, faults: list[Fault]) -> Any:
    """Return a value as the command line of `train` reads it: ``1:30:00`` is text."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        override = OverridesParser.create().parse_override(text)
    except HydraException as error:
        faults.append(Fault(text, f"cannot be read: {str(error).splitlines()[0]}"))
        return None
    if override.is_sweep_override():
        faults.append(Fault(text, "is several values; a run goes on with one."))
    return override.value()


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


def _judged(graph: Graph, launcher: Mapping[str, Any]) -> Any:
    """Return the launcher; refuse values that are none, as `train` would.

    Raises ConfigError with every fault.
    """
    from etude.build import build

    faults: dict[str, Fault] = {}
    made: Any = None
    with _collected(faults):
        made = build(launcher, "launcher")
    for node in graph.stages.values():
        for fault in _faults_of(node):
            faults[str(fault)] = fault
        if not faults and isinstance(made, Resources):
            with _collected(faults):
                shape_of(node.resources, made, f"stages.{node.name}.resources")
    if faults:
        raise ConfigError(list(faults.values()))
    return made


@contextmanager
def _collected(faults: dict[str, Fault]) -> Iterator[None]:
    """Keep the faults that are raised in the block, each once."""
    try:
        yield
    except ConfigError as error:
        faults.update((str(fault), fault) for fault in error.faults)


def _faults_of(node: StageNode) -> Iterator[Fault]:
    """Yield what is wrong with the machines and the execution of a stage."""
    from etude.build import build_struct

    known = [each.name for each in fields(Execution)]
    own = node.config.get("execution") or {}
    for key in own:
        if key not in known:
            yield Fault(f"execution.{key}", f"there is no such key.{did_you_mean(key, known)}")
    found: dict[str, Fault] = {}
    with _collected(found):
        build_struct(Resources, node.resources, f"stages.{node.name}.resources")
    with _collected(found):
        allowed = {key: value for key, value in own.items() if key in known}
        build_struct(Execution, allowed, f"stages.{node.name}.execution")
    yield from found.values()
