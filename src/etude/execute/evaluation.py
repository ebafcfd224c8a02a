"""One evaluation node: measured once, kept beside the samples it rests on."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etude.distributed.together import by_main, cut_short_by, met_by_all
from etude.distributed.world import current, leave
from etude.errors import EtudeError, Fenced, Interrupted, StageError, StorageError
from etude.events import Observer
from etude.execute import atomic, failures, ranks
from etude.execute.lines import to_line
from etude.execute.lock import JobState, Lease, locked
from etude.execute.ranks import FollowedLease
from etude.execute.stage import execution_of
from etude.execute.stage_folder import move_aside
from etude.execute.stop import Stop
from etude.execute.watchdog import Watchdog
from etude.plan import layout
from etude.plan.digest import sha256_of
from etude.plan.nodes import EvaluationNode

#: Measures a model: (config, model folder or None, folder to work in, seed, data of stages by
#: name) → (result, samples); ``etude.evaluation.run.evaluate_model``.
Evaluate = Callable[
    [dict[str, Any], Path | None, Path, int, Mapping[str, Path]],
    tuple[dict[str, Any], list[dict[str, Any]]],
]


@dataclass(frozen=True)
class Measured:
    """What is measured: a model's folder (None: the base model), on the rows of stages by name."""

    model: Path | None = None
    data: Mapping[str, Path] = field(default_factory=dict)


def run_evaluation_node(
    node: EvaluationNode,
    measured: Callable[[], Measured],
    *,
    outputs: Path,
    observers: Observer,
    stop: Stop,
    evaluate: Evaluate | None = None,
    job_state: JobState | None = None,
) -> dict[str, Any]:
    """Measure a model unless it was measured; return the result.

    ``measured`` is asked for the folders only when they are needed, ``job_state`` for the SLURM job
    of another process that measures it. Raises what the evaluation raises, Interrupted at once when
    ``stop`` was requested, and Fenced when another process took the evaluation over.

    All ranks of the current world call it together; the first one decides and writes.
    """
    folder = layout.evaluation_folder(outputs, node.name, node.fingerprint)
    if not current().is_main:
        result = ranks.followed(stop)
        lease = FollowedLease()
        return result or _tried(node, folder, measured, evaluate, lease, stop)

    def waiting(holder: str) -> None:
        observers.warned(f"the model of {node.name} is being evaluated by {holder}; waiting")

    with (
        ranks.leading(stop) as lead,
        locked(
            outputs, node.fingerprint, waiting=waiting, check=lead.check, job_state=job_state
        ) as held,
    ):
        if node.fresh:
            held.check()
            move_aside(folder)
        result = (
            None if layout.finished(folder) is None else layout.read_json(folder / "result.json")
        )
        if result is None:
            with atomic.storing(folder):
                folder.mkdir(parents=True, exist_ok=True)
                for path in (*folder.glob("failed.rank*.json"), folder / layout.FAILED):
                    path.unlink(missing_ok=True)
        lead.decide(result)
        if result is None:
            result = _tried(node, folder, measured, evaluate, held, stop)
    observers.evaluated(node, None, result)
    return result


def _tried(
    node: EvaluationNode,
    folder: Path,
    measured: Callable[[], Measured],
    evaluate: Evaluate | None,
    lease: Lease | FollowedLease,
    stop: Stop,
) -> dict[str, Any]:
    """Measure, and have all ranks tell of the failure that was first where one fails."""
    world = current()
    try:
        with _watchdog(node, folder, lease), cut_short_by(stop.at_once):
            return _measure(node, folder, measured, evaluate, lease, stop)
    except Interrupted:
        raise
    except BaseException as error:
        if not met_by_all(error):
            leave(f"the evaluation of {node.name} ended early")
        if not isinstance(error, Exception) or isinstance(error, Fenced):
            raise
        lease.check()  # the failure of a process that was fenced off concerns nobody
        if world.is_alone:
            raise
        failures.note(folder, world, error, {"evaluation": node.name})
        told = failures.settled(folder, world, error)
        raise StageError(told["error"]) from error


def _watchdog(node: EvaluationNode, folder: Path, lease: Lease | FollowedLease) -> Watchdog:
    rank = current().rank
    return Watchdog(
        execution_of(node.config).hang_minutes,
        folder / (f"log.rank{rank}" if rank else "log"),
        failed=failures.of_rank(folder, rank) if rank else folder / layout.FAILED,
        about=lambda: {"evaluation": node.name},
        check=lease.check,
    )


def _measure(
    node: EvaluationNode,
    folder: Path,
    measured: Callable[[], Measured],
    evaluate: Evaluate | None,
    lease: Lease | FollowedLease,
    stop: Stop,
) -> dict[str, Any]:
    from etude.execute.determinism import settle

    started = time.perf_counter()
    given = by_main(measured)
    settle(execution_of(node.config).threads)
    seed = int(node.config.get("seed", 0))
    measure = evaluate or _evaluate_model()
    result, samples = measure(node.config, given.model, folder, seed, given.data)
    ranks.check(stop)  # what the request ended may have taken that for an error of its own
    # What is returned now and what a later run reads back are the same: what JSON holds.
    result = json.loads(to_line(result))

    def write() -> None:
        with atomic.writing(folder / "samples.jsonl", lease.check) as stream:
            stream.writelines(to_line(sample) for sample in samples)
        atomic.write_json(folder / "result.json", result, lease.check)
        done = {
            "name": node.name,
            "fingerprint": node.fingerprint,
            "model": str(given.model) if given.model is not None else None,
            "seconds": time.perf_counter() - started,
            "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "files": {
                name: {"size": (folder / name).stat().st_size, "sha256": sha256_of(folder / name)}
                for name in ("result.json", "samples.jsonl")
            },
        }
        lease.check()
        (folder / layout.FAILED).unlink(missing_ok=True)
        atomic.write_json(folder / layout.DONE, done, lease.check)

    by_main(write)
    return result


def failed_evaluation(node: EvaluationNode, folder: Path, error: Exception) -> str:
    """Write FAILED.json with the traceback of a failed evaluation; return what a person is told.

    Of several ranks the first one writes it.
    """
    kind = type(error).__name__
    cause = str(error) if isinstance(error, EtudeError) else f"{kind}: {error}"
    message = f"the evaluation of {node.name} ({node.fingerprint[:8]}) failed: {cause}"
    if not current().is_main:
        return message
    about = {
        "evaluation": node.name,
        "error": cause,
        "kind": kind,
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "traceback": "".join(traceback.format_exception(error)),
    }
    try:
        atomic.write_json(folder / layout.FAILED, about)
    except StorageError as full:
        return f"{message}\n(nor could {layout.FAILED} be written: {full})"
    return f"{message}; the traceback is in {folder / layout.FAILED}"


def _evaluate_model() -> Evaluate:
    from etude.evaluation.run import evaluate_model

    return evaluate_model
