"""How far a stage has come on disk: done, resumable, extendable or missing; read without torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from etude.plan import layout
from etude.plan.layout import Folders
from etude.plan.nodes import EvaluationNode, StageNode

Kind = Literal["done", "resumable", "extendable", "missing"]


@dataclass(frozen=True)
class State:
    """What is there of a node.

    ``step`` counts the finished steps that a new attempt would keep, ``seconds`` is what the work
    took (done only), and ``source`` is the folder an extension would continue.
    """

    kind: Kind
    folder: Path
    step: int = 0
    seconds: float = 0.0
    source: Path | None = None


def state_of(
    node: StageNode | EvaluationNode, outputs: Path, folders: Folders | None = None
) -> State:
    """Return what is on disk of a stage or an evaluation; a stage asked for afresh is missing.

    Whoever looks at many nodes gives the ``folders`` of ``outputs``, so that they are listed once.
    """
    folders = folders or Folders(outputs)
    if isinstance(node, EvaluationNode):
        folder = folders.evaluation(node.name, node.fingerprint)
        done = None if node.fresh else layout.finished(folder)
        if done is None:
            return State("missing", folder)
        return State("done", folder, seconds=float(done.get("seconds") or 0.0))
    folder = folders.stage(node.name, node.fingerprint)
    if node.fresh:
        return State("missing", folder)
    done = layout.finished(folder)
    if done is not None:
        return State("done", folder, int(done.get("steps") or 0), float(done.get("seconds") or 0.0))
    own = layout.checkpoints(folder)
    if own:
        return State("resumable", folder, own[0].step)
    for source in extension_sources(node, outputs, folders):
        best = next(ref for ref in layout.checkpoints(source) if ref.step <= node.steps)
        return State("extendable", folder, best.step, source=source)
    return State("missing", folder)


def extension_sources(node: StageNode, outputs: Path, folders: Folders | None = None) -> list[Path]:
    """Return the folders of shorter or longer stages of a node's lineage, furthest step first.

    Each has a checkpoint that the node can continue (at most ``node.steps`` steps). Empty where
    the node depends on its number of steps.
    """
    if not node.extendable:
        return []
    found: list[tuple[int, Path]] = []
    for folder, fingerprint in (folders or Folders(outputs)).lineages.get(node.lineage, ()):
        if fingerprint == node.fingerprint:
            continue
        steps = [ref.step for ref in layout.checkpoints(folder) if ref.step <= node.steps]
        if steps:
            found.append((steps[0], folder))
    return [folder for _, folder in sorted(found, key=lambda each: (-each[0], each[1].name))]
