"""The folder of one command: what was asked, on what it stood, what came out."""

from __future__ import annotations

import os
import re
import secrets
import time
from pathlib import Path
from typing import Any

from etude.execute import atomic, environment, kept_files, outcomes
from etude.execute.attempt import config_text, write_config
from etude.execute.owner import Owner
from etude.plan import layout
from etude.plan.nodes import Graph, StageNode
from etude.plan.other_code import ACCEPTED, PRINTS, accepted_in

#: More members than this have no file each: writing them takes longer than planning them.
MOST_MEMBERS = 100


def make(graph: Graph) -> Path:
    """Make the run's folder with the composed configs, overrides, environment and links.

    ``config.yaml`` is the run's composed root; the members of a sweep have ``members/<n>.yaml``,
    those of a long one only a line each in ``plan/``.
    Links appear for every stage and evaluation of the graph, also for those still to come. Raises
    StorageError.
    """
    name = re.sub(r"[^\w.-]+", "-", graph.name).strip("-") or "run"
    while True:
        place = f"{time.strftime('%Y-%m-%d')}-{name}-{secrets.token_hex(2)}"
        folder = graph.outputs / layout.RUNS / place
        with atomic.storing(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            try:
                folder.mkdir()
            except FileExistsError:
                continue
        break
    about, diff = environment.describe()
    atomic.write_json(folder / layout.ENVIRONMENT, {"layout": layout.LAYOUT, **about})
    if diff:
        atomic.write_text(folder / "code.diff", diff)
    if len(graph.runs) == 1:
        write_config(folder / "config.yaml", graph.runs[0].root)
    elif len(graph.runs) <= MOST_MEMBERS:
        _write_members(graph, folder / "members")
    _write_code(graph)
    kept_files.keep(folder, [node.config for node in graph.order], graph.codes.values())
    _link(graph, folder)
    return folder


def _write_members(graph: Graph, place: Path) -> None:
    """Write the root of each member for a person to read; ``plan/`` has them for machines."""
    with atomic.storing(place):
        place.mkdir()
        for number, run in enumerate(graph.runs, 1):
            text = config_text(run.root)
            (place / f"{number:02d}.yaml").write_text(text, encoding="utf-8")


def _write_code(graph: Graph) -> None:
    """Write what a later plan needs to name code that differs, and what of other code is used."""
    for digest, modules in graph.codes.items():
        path = graph.outputs / PRINTS / f"{digest}.json"
        if not path.exists():
            with atomic.storing(path):
                path.parent.mkdir(exist_ok=True)
            atomic.write_json(path, dict(modules))
    if graph.accepted != accepted_in(graph.outputs):
        atomic.write_json(graph.outputs / ACCEPTED, graph.accepted)


def _link(graph: Graph, folder: Path) -> None:
    """Link every stage and evaluation; the links are relative, so outputs can be moved."""
    for node in graph.order:
        if isinstance(node, StageNode):
            kind, place = layout.STAGES, layout.stage_folder
        else:
            kind, place = layout.EVALUATIONS, layout.evaluation_folder
        target = place(graph.outputs, node.name, node.fingerprint)
        link = folder / kind / node.folder_name
        with atomic.storing(link):
            link.parent.mkdir(exist_ok=True)
            if not link.is_symlink():
                link.symlink_to(os.path.relpath(target, link.parent))


def write_result(graph: Graph, state: str) -> None:
    """Write result.json as things stand: ``running``, ``done``, ``failed`` or ``interrupted``."""
    if graph.folder is None:
        return
    content: dict[str, Any] = {
        "state": state,
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "pid": os.getpid(),
        "process": Owner.here().to_json(),
        "problems": outcomes.problems(graph) if state != "running" else [],
        "runs": outcomes.summary(graph),
    }
    if not any(run.stages for run in graph.runs):
        content["evaluations"] = {
            fingerprint: outcome.evaluation for fingerprint, outcome in graph.outcomes.items()
        }
    atomic.write_json(graph.folder / "result.json", content)
