"""The end of a run: stages before → after, where everything lies, and what to run next."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from etude.plan.describe import shown
from etude.plan.nodes import own_overrides
from etude.plan.quantities import duration
from etude.view.record import RunRecord, interval

_NARROW = 78
_DONE = ("done", "skipped")


def end_lines(
    graph: Any, record: RunRecord, width: int = 100, elsewhere: str = ""
) -> Iterator[str]:
    """Yield the closing lines: one table a run, the folders and the commands to go on with.

    ``elsewhere`` says where a tracker put the run.
    """
    own = own_overrides([run.overrides for run in graph.runs])
    for run, overrides in zip(graph.runs, own, strict=True):
        if len(graph.runs) > 1:
            yield f"{run.name}  {' '.join(overrides)}".rstrip()
        yield from table(run, record, width) if run.stages else measured(record)
        yield ""
    if graph.stages and all(known.state == "skipped" for known in record.stages.values()):
        yield " nothing was left to do"
    yield from places(graph, record)
    if elsewhere:
        yield f" {elsewhere}"
    for position, command in enumerate(next_commands(graph, record)):
        yield f" {'' if position else 'next':<8} {command}"


def table(run: Any, record: RunRecord, width: int = 100) -> list[str]:
    """Return the run's stages with their evaluation before and after, aligned."""
    metric, second = _columns(run, record)
    head = ["", f"{metric} before", "after", f"{second} after" if second else "", "time"]
    rows = [head if metric else ["", "", "", "", "time"]]
    for stage in run.stages:
        known = record.stage(stage.stage)
        before, after = record.metrics(stage.before), record.metrics(stage.after)
        cells = [stage.name, "", "", "", _time(known)]
        if metric:
            cells[1:3] = interval(before.get(metric)), interval(after.get(metric))
        if second:
            cells[3] = interval(after.get(second)).partition(" [")[0]
        rows.append(cells)
    if width < _NARROW:  # the intervals and the second metric give way first
        rows = [
            [cell.partition(" [")[0] for cell in (row[0], row[1], row[2], row[4])] for row in rows
        ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    kept = [column for column, widest in enumerate(widths) if widest]
    return [
        (" " + "   ".join(row[column].ljust(widths[column]) for column in kept)).rstrip()
        for row in rows
    ]


def measured(record: RunRecord) -> Iterator[str]:
    """Yield the metrics of each evaluation of a run that trains nothing."""
    for evaluation in record.evaluations.values():
        metrics = evaluation.get("metrics") or {}
        widest = max((len(name) for name in metrics), default=0)
        problems = evaluation.get("problems")
        yield f" {evaluation.get('name', 'evaluation')}" + (
            f" · {problems} problems" if problems else ""
        )
        for name, value in metrics.items():
            yield f"   {name.ljust(widest)}  {interval(value)}"


def places(graph: Any, record: RunRecord) -> Iterator[str]:
    """Yield where the models, rows and the run's report lie, and failures with their cause."""
    for fingerprint, node in graph.stages.items():
        known = record.stage(fingerprint)
        if known.state == "failed":
            yield from failure(node.name, known.problem)
    there = {key: node for key, node in graph.stages.items() if record.stage(key).state in _DONE}
    handed_on = {node.start for node in there.values()}
    for fingerprint, node in there.items():
        known = record.stage(fingerprint)
        if fingerprint in handed_on:
            continue
        folder = Path(known.folder or graph.outputs / "stages" / node.folder_name)
        if node.hands_on_model:
            yield f" model    {shown(folder / 'model')}  (loads with transformers)"
        else:
            yield f" rows     {shown(folder / 'data')}"
    if graph.folder is not None:
        yield f" run      {shown(Path(graph.folder))}"


def failure(name: str, problem: str) -> Iterator[str]:
    """Yield why a stage failed, where it goes on and where its log is, as its error says it."""
    first, *more = problem.splitlines() or [""]
    yield f" failed   {first}" if first.startswith("stage ") else f" failed   {name}: {first}"
    for line in more:
        yield f"          {line}"


def next_commands(graph: Any, record: RunRecord) -> list[str]:
    """Return commands that make sense after this run."""
    states = {known.state for known in record.stages.values()}
    if "failed" in states:
        return ["mend the cause and run the same command again: finished work is kept"]
    if "interrupted" in states or graph.state == "interrupted":
        return ["the same command goes on from here"]
    trained = [
        node
        for node in graph.stages.values()
        if node.hands_on_model and record.stage(node.fingerprint).state in _DONE
    ]
    if not trained:
        return []
    node = trained[-1]
    recorded = record.stage(node.fingerprint).folder
    folder = Path(recorded or graph.outputs / "stages" / node.folder_name)
    commands = [f"evaluate checkpoint={shlex.quote(str(shown(folder / 'model')))}"]
    if len(graph.runs) == 1:
        commands += _variations(node.learner, graph.runs[0].overrides)
    return commands


def _variations(learner: str, overrides: tuple[str, ...]) -> list[str]:
    """Return the command that was run with another objective, and as a small sweep."""
    kept = [item for item in overrides if item.partition("=")[0] not in ("objective", "seed")]
    if learner == "supervised":
        kept = [item for item in kept if not item.startswith("recipe=")]
        return [shlex.join(["train", "recipe=sft_then_rl", *kept])]
    if learner != "policy_gradient":
        return []
    tried = next((item for item in overrides if item.startswith("objective=")), "")
    other = "objective=dapo" if tried != "objective=dapo" else "objective=grpo"
    sweep = ["train", "-m", *kept, "objective=grpo,rloo", "seed=1,2,3"]
    return [shlex.join(["train", *kept, other]), " ".join(map(_quoted, sweep))]


def _quoted(word: str) -> str:
    # A sweep's commas need no quoting in a shell; shlex would quote them.
    return word if re.fullmatch(r"[\w@%+=:,./-]+", word) else shlex.quote(word)


def _columns(run: Any, record: RunRecord) -> tuple[str, str]:
    """Return the metric of the before and after columns, and a second one after."""
    names: dict[str, None] = {}
    for stage in run.stages:
        for evaluation in (stage.before, stage.after):
            names.update(dict.fromkeys(record.metrics(evaluation)))
    at_k = sorted((name for name in names if name.startswith("pass@")), key=_k_of)
    if not at_k:
        ordered = list(names)
        return (ordered[0], "") if ordered else ("", "")
    return at_k[0], at_k[-1] if len(at_k) > 1 else ""


def _k_of(name: str) -> int:
    digits = name.removeprefix("pass@")
    return int(digits) if digits.isdecimal() else 0


def _time(known: Any) -> str:
    if known.state == "skipped":
        return f"done before ({duration(known.seconds)} saved)"
    return duration(known.seconds) if known.state == "done" else known.state
