"""One evaluation node: measured once, kept beside the samples it rests on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from etude.events import Observer
from etude.execute import atomic
from etude.execute.lines import to_line
from etude.execute.lock import locked
from etude.execute.stage import execution_of
from etude.execute.stage_folder import move_aside
from etude.execute.stop import Stop
from etude.plan import layout
from etude.plan.digest import sha256_of
from etude.plan.nodes import EvaluationNode

#: Measures a model: (config, model folder or None, folder to work in, seed) → (result, samples).
Evaluate = Callable[
    [dict[str, Any], Path | None, Path, int], tuple[dict[str, Any], list[dict[str, Any]]]
]


def evaluator(evaluate: Evaluate | None, config: dict[str, Any]) -> Evaluate:
    """Return the function that measures, torch settled as for a stage of this config."""
    from etude.execute.determinism import settle

    settle(execution_of(config).threads)
    if evaluate is not None:
        return evaluate
    from etude.evaluation.run import evaluate_model

    return evaluate_model


def run_evaluation_node(
    node: EvaluationNode,
    model: Callable[[], Path | None],
    *,
    outputs: Path,
    observers: Observer,
    stop: Stop,
    evaluate: Evaluate | None = None,
) -> dict[str, Any]:
    """Measure a model unless it was measured; return the result.

    ``model`` is asked for the folder only when it is needed (None: the base model). Raises what
    the evaluation raises, and Interrupted at once when ``stop`` was requested.
    """
    folder = layout.evaluation_folder(outputs, node.name, node.fingerprint)

    def waiting(holder: str) -> None:
        observers.warned(f"the model of {node.name} is being evaluated by {holder}; waiting")

    with locked(outputs, node.fingerprint, waiting=waiting, check=stop.check):
        if node.fresh:
            move_aside(folder)
        result = (
            None if layout.finished(folder) is None else layout.read_json(folder / "result.json")
        )
        if result is None:
            with stop.at_once():
                result = _measure(node, folder, model, evaluate)
    observers.evaluated(node, None, result)
    return result


def _measure(
    node: EvaluationNode, folder: Path, model: Callable[[], Path | None], evaluate: Evaluate | None
) -> dict[str, Any]:
    started = time.perf_counter()
    with atomic.storing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    place = model()
    measure = evaluator(evaluate, node.config)
    result, samples = measure(node.config, place, folder, int(node.config.get("seed", 0)))
    with atomic.writing(folder / "samples.jsonl") as stream:
        stream.writelines(to_line(sample) for sample in samples)
    # What is returned now and what a later run reads back are the same: what JSON holds.
    result = json.loads(to_line(result))
    atomic.write_json(folder / "result.json", result)
    done = {
        "name": node.name,
        "fingerprint": node.fingerprint,
        "model": str(place) if place is not None else None,
        "seconds": time.perf_counter() - started,
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "files": {
            name: {"size": (folder / name).stat().st_size, "sha256": sha256_of(folder / name)}
            for name in ("result.json", "samples.jsonl")
        },
    }
    atomic.write_json(folder / layout.DONE, done)
    return result
