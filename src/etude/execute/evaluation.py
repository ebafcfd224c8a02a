"""One evaluation node: measured once, kept beside the samples it rests on."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from etude.distributed.together import by_main, cut_short_by, met_by_all
from etude.distributed.world import current, leave
from etude.errors import Fenced, Interrupted, StageError, StorageError
from etude.events import Observer
from etude.execute import atomic, failures, ranks
from etude.execute.lines import to_line
from etude.execute.lock import JobState, Lease, locked
from etude.execute.ranks import FollowedLease
from etude.execute.stage import execution_of
from etude.execute.stage_folder import move_aside
from etude.execute.stop import Stop
from etude.execute.watchdog import Watchdog
from etude.learner.context import Folders, model_of
from etude.plan import layout, records, references
from etude.plan.digest import sha256_of
from etude.plan.nodes import MEASURED, EvaluationNode
from etude.unexpected import cause_of

#: Measures a model: (config, the folders of its inputs, folder to work in, seed) → (result,
#: samples); ``etude.evaluation.run.evaluate_model``.
Evaluate = Callable[
    [dict[str, Any], Folders, Path, int], tuple[dict[str, Any], list[dict[str, Any]]]
]


def run_evaluation_node(
    node: EvaluationNode,
    measured: Callable[[], Folders],
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
        result = None
        if layout.finished(folder, observers.warned) is not None:
            result = layout.read_json(folder / "result.json", records.MEASURED, observers.warned)
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
    measured: Callable[[], Folders],
    evaluate: Evaluate | None,
    lease: Lease | FollowedLease,
    stop: Stop,
) -> dict[str, Any]:
    """Measure, and have all ranks tell of the failure that was first where one fails."""
    world = current()
    try:
        with _watchdog(node, folder, lease), cut_short_by(stop.at_any_cost):
            return _measure(node, folder, measured, evaluate, lease, stop)
    except Interrupted:
        raise
    except BaseException as error:
        if not met_by_all(error):
            leave(f"the evaluation of {node.name} ended early")
        if isinstance(error, (KeyboardInterrupt, GeneratorExit, Fenced)):
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
    measured: Callable[[], Folders],
    evaluate: Evaluate | None,
    lease: Lease | FollowedLease,
    stop: Stop,
) -> dict[str, Any]:
    from etude.execute.determinism import settle

    started = time.perf_counter()
    given = by_main(measured)
    model = model_of(given, MEASURED)
    settle(execution_of(node.config).threads)
    seed = int(node.config.get("seed", 0))
    measure = evaluate or _evaluate_model()
    result, samples = measure(node.config, given, folder, seed)
    ranks.check(stop)  # what the request ended may have taken that for an error of its own
    # What is returned now and what a later run reads back are the same: what JSON holds.
    result = json.loads(to_line(result))

    def write() -> None:
        with atomic.writing(folder / "samples.jsonl", lease.check) as stream:
            stream.writelines(to_line(sample) for sample in samples)
        atomic.write_json(folder / "result.json", result, lease.check)
        atomic.write_json(folder / layout.EVALUATION, _about(node), lease.check)
        done = {
            "layout": layout.LAYOUT,
            "name": node.name,
            "fingerprint": node.fingerprint,
            "model": None if model is None else str(model),
            "seconds": time.perf_counter() - started,
            "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "files": {
                name: {"size": (folder / name).stat().st_size, "sha256": sha256_of(folder / name)}
                for name in ("result.json", "samples.jsonl", layout.EVALUATION)
            },
        }
        lease.check()
        (folder / layout.FAILED).unlink(missing_ok=True)
        atomic.write_json(folder / layout.DONE, done, lease.check)

    by_main(write)
    return result


def _about(node: EvaluationNode) -> dict[str, Any]:
    """Return what was measured and how, for who compares it with another evaluation."""
    return {
        "layout": layout.LAYOUT,
        "name": node.name,
        "fingerprint": node.fingerprint,
        "of": node.of,
        "inputs": {place: references.as_json(value) for place, value in node.inputs.items()},
        "config": node.config,
    }


def failed_evaluation(node: EvaluationNode, folder: Path, error: BaseException) -> str:
    """Write FAILED.json with the traceback of a failed evaluation; return what a person is told.

    Of several ranks the first one writes it.
    """
    cause = cause_of(error)
    message = f"the evaluation of {node.name} ({node.fingerprint[:8]}) failed: {cause}"
    if not current().is_main:
        return message
    about = {
        "evaluation": node.name,
        "error": cause,
        "kind": type(error).__name__,
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
