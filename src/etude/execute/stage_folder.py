"""The folder of a stage: made, moved aside for a fresh one, searched for where to go on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from etude.config.handed_on import Chosen, chosen_by
from etude.config.quoting import pasted
from etude.errors import StageError
from etude.execute import atomic, checkpoint, metric
from etude.execute.attempt import Origin, evaluations_of, write_config
from etude.execute.checkpoint import Checkpoint
from etude.plan import layout, lookup
from etude.plan.nodes import StageNode


@dataclass(frozen=True)
class Start:
    """A checkpoint to go on from, and what the new attempt records about it."""

    checkpoint: Checkpoint
    origin: Origin


def prepare(folder: Path, node: StageNode, check: Callable[[], None] = lambda: None) -> None:
    """Make a stage's folder ready for an attempt; its lease must be held. Raises StorageError.

    ``check`` is called before anything is removed or written, and may raise.
    """
    with atomic.storing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        checkpoint.sweep(folder, check)
    if not (folder / "config.yaml").exists():
        write_config(folder / "config.yaml", node.config)
    about = {
        "layout": layout.LAYOUT,
        "name": node.name,
        "fingerprint": node.fingerprint,
        "lineage": node.lineage,
        "plain": node.plain,
        "code": node.code,
        "learner": node.learner,
        "steps": node.steps,
        "parents": list(node.parents),
    }
    if layout.read_json(folder / layout.STAGE) != about:
        atomic.write_json(folder / layout.STAGE, about, check)


def move_aside(folder: Path) -> None:
    """Rename a folder that is replaced by a fresh one; ``etude clean`` offers to delete it."""
    if not folder.exists():
        return
    stamp = time.strftime("%Y%m%d-%H%M%S")
    place = folder.with_name(f"{layout.REPLACED}{stamp}-{folder.name}")
    number = 1
    while place.exists():
        number += 1
        place = folder.with_name(f"{layout.REPLACED}{stamp}-{number}-{folder.name}")
    with atomic.storing(folder):
        folder.rename(place)


def find_start(folder: Path, node: StageNode, report: Callable[[str], None]) -> Start | None:
    """Return the newest intact checkpoint of a stage, or of one of its lineage; None to begin.

    Checkpoints that are not intact are reported by name.
    """
    found = checkpoint.newest_valid(folder, report)
    if found is not None:
        return Start(found, Origin(found.step, found.attempt))
    if node.fresh:
        return None
    for source in lookup.extension_sources(node, folder.parent.parent):
        found = checkpoint.newest_valid(source, report, at_most=node.steps)
        if found is not None:
            return Start(found, Origin(found.step, found.attempt, source.name))
    return None


def best_of(attempt: Path, chosen: Chosen) -> int | None:
    """Return the finished steps of an attempt's best evaluation, None where there is none."""
    by = ((chosen.metric, not chosen.least),) if chosen.metric else metric.BEST_BY
    return metric.best_step(evaluations_of(attempt, chosen.evaluation), by)


def find_best(
    folder: Path, node: StageNode, attempt: Path, finished: int, report: Callable[[str], None]
) -> tuple[int, Checkpoint | None]:
    """Return the step of the best evaluation of an attempt, and the checkpoint of that step.

    None stands for the model as it is after ``finished`` steps. Raises StageError where there is
    no such evaluation or its checkpoint is gone.
    """
    chosen = chosen_by(node.config)
    assert chosen is not None  # asked for only where an evaluation chooses
    step = best_of(attempt, chosen)
    if step is None:
        known = ", ".join(name for name, _ in metric.BEST_BY)
        wanted = "the metric" if chosen.metric else f"one of the metrics {known}"
        raise StageError(
            f"training.hand_on={chosen.written} found no evaluation with {wanted}; "
            "type training.hand_on=last or another evaluation"
        )
    if step == finished:
        return step, None
    found = None
    for place in (folder, *lookup.extension_sources(node, folder.parent.parent)):
        found = found or checkpoint.newest_valid(place, report, step=step)
    if found is None:
        raise StageError(
            f"the checkpoint of the best evaluation (step {step}) is gone or not intact; train "
            f"the stage again with {pasted(f'fresh=[{node.name}]')}, or type training.hand_on=last"
        )
    return step, found
