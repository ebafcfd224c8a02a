"""A run in the fewest words: what is told of an event where the view that should tell it is broken.

Nothing here estimates, measures or aligns; it reads names, numbers and messages alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from etude.unexpected import cause_of


def bare_lines(event: str, args: tuple[Any, ...], named: Mapping[str, Any]) -> list[str]:
    """Return the lines of an event; none where it is not worth one."""
    tell = _TELL.get(event)
    return [] if tell is None else list(tell(*args, **named))


def _run_started(run: Any) -> Iterator[str]:
    yield f"run {getattr(run, 'name', '')} · {getattr(run, 'folder', None) or run.outputs}"


def _stage_started(node: Any, *, attempt: int, first_step: int, folder: str) -> Iterator[str]:
    yield f" {node.name} starts after step {first_step} · {folder}"


def _stage_skipped(node: Any, *, seconds_saved: float) -> Iterator[str]:
    yield f" {node.name} done ({node.fingerprint[:8]})"


def _step_done(
    node: Any, step: int, metrics: Mapping[str, float], timing: Mapping[str, float]
) -> Iterator[str]:
    tenth = max(1, node.steps // 10)
    if (step + 1) % tenth == 0 or step + 1 == node.steps:
        said = [f"{key} {metrics[key]}" for key in ("loss", "reward/mean") if key in metrics]
        yield f" {node.name} {step + 1}/{node.steps}  {'  '.join(said)}"


def _evaluated(node: Any, step: int | None, evaluation: Mapping[str, Any]) -> Iterator[str]:
    of = evaluation.get("evaluation")
    name = node.name if of is None else f"{node.name}.{of}"
    yield f" {name}: {evaluation.get('metrics')}"


def _evaluation_failed(node: Any, *, error: str) -> Iterator[str]:
    yield f" evaluation FAILED: {error}"


def _stage_finished(node: Any, *, seconds: float, folder: str) -> Iterator[str]:
    yield f" {node.name} finished · {folder}"


def _stage_failed(node: Any, *, step: int | None, error: BaseException) -> Iterator[str]:
    yield f" {node.name} FAILED: {cause_of(error)}"


def _warned(message: str) -> Iterator[str]:
    yield f" warning: {message}"


def _run_finished(run: Any) -> Iterator[str]:
    for fingerprint, outcome in run.outcomes.items():
        name = run.node(fingerprint).name
        kind = "" if fingerprint in run.stages else "evaluation of "
        yield f" {kind}{name}  {outcome.state}  {outcome.folder}  {outcome.error}".rstrip()
    if getattr(run, "folder", None) is not None:
        yield f" run      {run.folder}"


_TELL: Mapping[str, Callable[..., Iterator[str]]] = {
    "run_started": _run_started,
    "stage_started": _stage_started,
    "stage_skipped": _stage_skipped,
    "step_done": _step_done,
    "evaluated": _evaluated,
    "evaluation_failed": _evaluation_failed,
    "stage_finished": _stage_finished,
    "stage_failed": _stage_failed,
    "warned": _warned,
    "run_finished": _run_finished,
}
