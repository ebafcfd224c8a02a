"""The end of a run: stages before → after, where everything lies, and what to run next.

A sweep ends with one table that compares its members.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from etude.config.quoting import command
from etude.plan import layout, typed
from etude.plan.describe import shown
from etude.plan.nodes import own_overrides
from etude.plan.quantities import duration
from etude.plan.references import stage_of
from etude.schema import LearnerInfo, load
from etude.view.record import RunRecord, interval
from etude.view.steering import moved

_NARROW = 78

#: Characters up to which a command to go on with is shown.
_LONG = 90
_DONE = ("done", "skipped")


def end_lines(
    graph: Any, record: RunRecord, width: int = 100, elsewhere: str = ""
) -> Iterator[str]:
    """Yield the closing lines: its table, the folders and the commands to go on with.

    ``elsewhere`` says where trackers put the run, a line each.
    """
    own = own_overrides([run.overrides for run in graph.runs])
    together = compared(graph.runs, graph.folder, width)
    yield from together
    for run, overrides in zip(graph.runs, own, strict=True):
        said = list(steered(run, record))
        if not together:
            said = [*(table(run, record, width) if run.stages else measured(record)), *said]
        if len(graph.runs) > 1 and said:
            yield f"{run.name}  {' '.join(overrides)}".rstrip()
        yield from said
        if not together:
            yield ""
    if together:
        yield ""
    if graph.stages and all(known.state == "skipped" for known in record.stages.values()):
        yield " nothing was left to do"
    yield from places(graph, record)
    yield from (f" {line}" for line in elsewhere.splitlines())
    for position, words in enumerate(next_commands(graph, record)):
        yield f" {'' if position else 'next':<8} {words}"


def compared(runs: Sequence[Any], folder: Path | None, width: int | None = None) -> list[str]:
    """Return the table in which the members of a sweep are compared.

    Nothing for a single run, and where they cannot be compared: their evaluations keep no judged
    answers, or fewer than two were measured.
    """
    if len(runs) < 2 or folder is None:
        return []
    from etude.comparing.sweep import sweep_lines  # numpy, which a single run's end has no use for

    return list(sweep_lines(folder, width))


def table(run: Any, record: RunRecord, width: int = 100) -> list[str]:
    """Return the run's stages with their evaluations before and after, aligned."""
    metric, second = _columns(run, record)
    head = ["", f"{metric} before", "after", f"{second} after" if second else "", "time"]
    rows = [head if metric else ["", "", "", "", "time"]]
    for stage in run.stages:
        own = _cells(stage, record, metric, second) if metric else ["", "", ""]
        rows.append([stage.name, *own, _time(record.stage(stage.stage))])
        for other in stage.others:
            names = _names(other, record)
            by = metric if metric in names else next(iter(names), "")
            said = f"  {other.name}" + (f"/{by}" if by != metric else "")
            rows.append([said, *_cells(other, record, by, second if second in names else ""), ""])
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


def steered(run: Any, record: RunRecord) -> Iterator[str]:
    """Yield how the numbers that steered each stage moved, where any did."""
    for stage in run.stages:
        ends = record.stage(stage.stage).steered
        if ends:
            yield f" steered  {stage.name}: {moved(ends)}"


def _cells(measured: Any, record: RunRecord, metric: str, second: str) -> list[str]:
    """Return a metric of an evaluation before and after, and a second one after."""
    before, after = record.metrics(measured.before), record.metrics(measured.after)
    cells = [interval(before.get(metric)), interval(after.get(metric)), ""]
    if second:
        cells[2] = interval(after.get(second)).partition(" [")[0]
    for column, fingerprint in enumerate((measured.before, measured.after)):
        if fingerprint in record.unmeasured:
            cells[column] = "failed"
    return cells


def _names(measured: Any, record: RunRecord) -> dict[str, None]:
    """Return the metrics of an evaluation, before or after."""
    return dict.fromkeys([*record.metrics(measured.before), *record.metrics(measured.after)])


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
        if told := _outcomes(evaluation):
            yield f"   answers: {told}"


def _outcomes(evaluation: Mapping[str, Any]) -> str:
    """Return how many answers were right, partly right, wrong, not judged, …; empty if unknown."""
    counts = evaluation.get("outcomes") or {}
    found = []
    for outcome, count in counts.items():
        share = evaluation.get("partial_share") if outcome == "partial" else None
        right = "" if share is None else f" (of which {share:.0%} is right)"
        if count:
            found.append(f"{count:,} {outcome.replace('_', ' ')}{right}")
    return ", ".join(found)


def places(graph: Any, record: RunRecord) -> Iterator[str]:
    """Yield what failed, and where the models, the rows and the run's report lie."""
    for fingerprint, node in graph.stages.items():
        known = record.stage(fingerprint)
        if known.state == "failed":
            yield failure(node.name, known.problem)
    for fingerprint, name in record.unmeasured.items():
        folder = layout.evaluation_folder(graph.outputs, name, fingerprint)
        yield f" failed   evaluation of {name}; the traceback is in {shown(folder / layout.FAILED)}"
    there = {key: node for key, node in graph.stages.items() if record.stage(key).state in _DONE}
    handed_on = {stage_of(node.start) for node in there.values()}
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


def failure(name: str, after: str) -> str:
    """Return that a stage failed and how it goes on; its cause was told when it failed."""
    return f" failed   {name}" + (f"; {after[0].lower()}{after[1:]}" if after else "")


def next_commands(graph: Any, record: RunRecord) -> list[str]:
    """Return commands that make sense after this run."""
    states = {known.state for known in record.stages.values()}
    again = "the same command again"
    if graph.folder is not None:
        again = typed.about("resume", Path(graph.folder), graph.outputs)
    if "failed" in states or record.unmeasured:
        return [f"{again}  (finished work is kept; mend the cause first)"]
    if "interrupted" in states or graph.state == "interrupted":
        return [again]
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
    commands = [command(["evaluate", f"checkpoint={shown(folder / 'model')}"])]
    if len(graph.runs) > 1 and graph.folder is not None:
        commands.append(typed.about("compare", Path(graph.folder), graph.outputs))
    if len(graph.runs) == 1:
        learner = load().learner(node.learner)
        commands += _variations(learner, graph.runs[0].overrides)
    return commands


def _variations(learner: LearnerInfo, overrides: tuple[str, ...]) -> list[str]:
    """Return the command that was run with something else, and as a small sweep, where short.

    The learner says what is worth trying; the seed of the run is kept.
    """
    found: list[list[str]] = []
    other = next((item for item in learner.next if item not in overrides), "")
    if other:
        found.append(["train", *_without(other, overrides), other])
    if learner.sweep:
        kept = _without(learner.sweep, overrides)
        seeded = any(item.startswith("seed=") for item in kept)
        found.append(["train", "-m", *kept, learner.sweep, *([] if seeded else ["seed=1,2,3"])])
    lines = [command(words) for words in found]
    # Who typed a long command has it in the shell's history; here it would only hide the rest.
    return [line for line in lines if len(line) <= _LONG]


def _without(other: str, overrides: tuple[str, ...]) -> list[str]:
    """Return what was typed but for the objective and what ``other`` sets anew."""
    replaced = {"objective", other.partition("=")[0]}
    return [item for item in overrides if item.partition("=")[0] not in replaced]


def _columns(run: Any, record: RunRecord) -> tuple[str, str]:
    """Return the metric of the before and after columns, and a second one after."""
    names: dict[str, None] = {}
    for stage in run.stages:
        names.update(_names(stage, record))
    if not names:  # main is switched off
        for other in (other for stage in run.stages for other in stage.others):
            names.update(_names(other, record))
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
