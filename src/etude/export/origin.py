"""What a model came of: the stages in a row from the base, the command, what it ran on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etude.errors import StorageError
from etude.execute.outcomes import Outcome, passes
from etude.export.naming import Subject
from etude.launch import written
from etude.launch.seeing.asked import folders_of
from etude.plan import layout
from etude.plan.nodes import Graph, StageNode
from etude.plan.references import Base, Folder, Hub, Made, Reference
from etude.recorded.outputs import Outputs
from etude.recorded.stage import Stage


@dataclass(frozen=True)
class Link:
    """One stage of the row; ``stage`` is its folder, None where it is not there any more."""

    name: str
    fingerprint: str
    learner: str
    config: Mapping[str, Any]
    stage: Stage | None = None
    given: tuple[str, ...] = ()


@dataclass(frozen=True)
class Origin:
    """Where a model comes from.

    ``links`` are the stages in the order they were trained, the last is the model's own. ``base``
    is what the first started from, None where that is not recorded. ``recipe`` is the run's name,
    ``overrides`` what was typed of its member, ``environment`` what the run recorded; all three
    are empty where no run that is there wanted the stage. ``evaluations`` maps the name of an
    evaluation to the fingerprints of the measurements before and after.
    """

    links: tuple[Link, ...]
    base: Reference | None
    recipe: str = ""
    overrides: tuple[str, ...] | None = None
    environment: Mapping[str, Any] | None = None
    evaluations: Mapping[str, tuple[str | None, str | None]] | None = None

    @property
    def own(self) -> Link:
        """Return the stage that made the model."""
        return self.links[-1]

    @property
    def model(self) -> Mapping[str, Any]:
        """Return the config of the model that the first stage began with."""
        found = self.links[0].config.get("model")
        return found if isinstance(found, Mapping) else {}

    @property
    def base_name(self) -> str:
        """Return the base on the hub or its folder; empty where it was made anew or is not known.

        A folder is one on this machine.
        """
        if isinstance(self.base, Hub):
            return self.base.name
        if isinstance(self.base, Folder):
            return str(self.base.path)
        if isinstance(self.base, Base) and self.model.get("name") == "pretrained":
            return str(self.model.get("path") or "")
        return ""

    @property
    def is_scratch(self) -> bool:
        """Tell whether the row began with a model of random weights."""
        return isinstance(self.base, Base) and not self.base_name


def origin_of(subject: Subject, outputs: Outputs) -> Origin:
    """Return where a model comes from, by the oldest run that wanted its stage."""
    stage = subject.stage
    named = [subject.run.folder] if subject.run is not None else []
    for folder in (*named, *_runs_with(stage, outputs.folder)):
        try:
            graph, _ = written.read(folder, ())
            if stage.fingerprint not in graph.stages:
                continue
            nodes, base = _row(graph, stage.fingerprint, outputs)
            keys = [node.fingerprint for node in nodes]
            whole, _ = written.read(folder, keys)
        except StorageError:
            continue
        run = next(
            (r for r in graph.runs if any(s.stage == stage.fingerprint for s in r.stages)), None
        )
        if subject.member is not None and len(graph.runs) >= subject.member.number:
            run = graph.runs[subject.member.number - 1]
        views = [] if run is None else [s for s in run.stages if s.stage == stage.fingerprint]
        return Origin(
            tuple(_link(whole, node, outputs) for node in nodes),
            base,
            "" if run is None else run.name,
            None if run is None else run.overrides,
            layout.read_json(folder / layout.ENVIRONMENT),
            {each.name: (each.before, each.after) for view in views for each in view.evaluations},
        )
    return Origin((_alone(stage),), _alone_base(stage))


def _runs_with(stage: Stage, outputs: Path) -> Iterator[Path]:
    """Yield the runs that have a link to a stage, oldest first."""
    for folder in reversed(folders_of(outputs)):
        if any((folder / layout.STAGES).glob(f"*-{stage.fingerprint}")):
            yield folder


def _row(graph: Graph, fingerprint: str, outputs: Outputs) -> tuple[list[StageNode], Reference]:
    """Return the stages from the base to a stage, gates heard, and what the first started from."""
    node = graph.stages[fingerprint]
    found = [node]
    while True:
        start = _start(graph, node, outputs)
        if not isinstance(start, Made):
            return found[::-1], start
        node = graph.stages[start.stage]
        found.append(node)


def _start(graph: Graph, node: StageNode, outputs: Outputs) -> Reference:
    """Return what a stage did start from: a gate may have kept what was before it."""
    start = node.start
    while isinstance(start, Made):
        before = start.stage
        gate = next((each for each in node.kept if each.stage == before), None)
        if gate is None:
            break
        for key in filter(None, (gate.evaluation, gate.before)):
            measured = outputs.evaluation(key)
            if measured is not None and key not in graph.outcomes:
                graph.outcomes[key] = Outcome("done", evaluation=measured.result)
        if passes(graph, gate):
            break
        node = graph.stages[before]
        start = node.start
    return start


def _link(graph: Graph, node: StageNode, outputs: Outputs) -> Link:
    node = graph.stages[node.fingerprint]
    stage = outputs.stage(node.fingerprint, node.name)
    given = tuple(graph.given(node))
    return Link(node.name, node.fingerprint, node.learner, node.config, stage, given)


def _alone(stage: Stage) -> Link:
    return Link(stage.name, stage.fingerprint, stage.learner, stage.config, stage)


def _alone_base(stage: Stage) -> Reference | None:
    """Return what a stage that no run names started from: it is known where nothing came before."""
    if stage.about.get("parents") or stage.config.get("start_from") not in (None, "base"):
        return None
    return Base() if "parents" in stage.about and stage.config else None
