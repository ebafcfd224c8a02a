"""`train launcher=slurm`: write the run down, submit it, say what to watch; and taking it up."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etude.cli.frame import tell
from etude.errors import SlurmError
from etude.launch import registry, written
from etude.launch.arrays import Batch, Edge, batches_of
from etude.launch.fresh import move_fresh_aside
from etude.launch.resources import Shape
from etude.launch.slurm import commands, script
from etude.launch.slurm.submit import (
    Submission,
    finished_units,
    largest_array,
    submit,
    unit_shape,
)
from etude.launch.units import Unit, units_of
from etude.plan import layout
from etude.plan.describe import counts, shown
from etude.plan.nodes import Graph
from etude.plan.quantities import counted

if TYPE_CHECKING:
    from etude.launch.slurm.settings import SlurmSettings


_AWAY = "Unable to contact slurm controller"
_NOT_NOW = "Requested node configuration is not available"


def launch(graph: Graph, launcher: SlurmSettings, root: Mapping[str, Any]) -> int:
    """Submit a graph and return the exit code; the jobs work from what is written down here.

    Raises SlurmError where SLURM refuses, ConfigError for resources that make no sense.
    """
    from etude.execute import run_folder
    from etude.execute.local import check_outputs

    check_outputs(graph)
    todo = left(graph)
    if not todo:
        tell(f"{counts(graph)} · every stage is done; nothing to submit")
        return 0
    try_out(graph, launcher, todo.values())
    move_fresh_aside(graph)
    graph.folder = run_folder.make(graph)
    written.write(graph, root["launcher"])
    submission = submit(graph.folder, again=True, say=tell)
    for line in told(graph, graph.folder, launcher, submission):
        tell(line)
    return _ended(graph.folder, launcher, submission)


def resume(folder: Path, launcher: SlurmSettings) -> int:
    """Submit again what a run still needs, and return the exit code. Raises SlurmError."""
    graph, _ = written.read(folder, ())
    submission = submit(folder, again=True, say=tell)
    if submission.finished == len(units_of(graph)):
        tell(f"{folder.name} · {counts(graph)} · every stage is done; nothing to submit")
        return 0
    for line in told(graph, folder, launcher, submission):
        tell(line)
    return _ended(folder, launcher, submission)


def _ended(folder: Path, launcher: SlurmSettings, submission: Submission) -> int:
    """Return the exit code of a submission, after following the run where that is asked for."""
    if not launcher.wait or not (submission.count or submission.queued or submission.waiting):
        return 0 if submission.count or submission.queued else 1
    from etude.launch.seeing.watch import follow

    def submit_the_rest() -> bool:
        # Where a site allows one job at a time, no job can submit its successor.
        more = submit(folder, again=False, say=tell)
        return bool(more.count or more.waiting)

    return follow(folder, go_on=submit_the_rest)


def left(graph: Graph) -> dict[str, Unit]:
    """Return the units that are not finished."""
    units = units_of(graph)
    finished = finished_units(graph, units)
    return {key: unit for key, unit in units.items() if key not in finished}


def try_out(graph: Graph, launcher: SlurmSettings, units: Iterable[Unit]) -> None:
    """Ask SLURM about each shape of job before anything is written. Raises SlurmError."""
    shapes: dict[Shape, list[str]] = {}
    for unit in units:
        names = shapes.setdefault(unit_shape(unit, launcher), [])
        if unit.name not in names:
            names.append(unit.name)
    problems = []
    for shape, names in shapes.items():
        made = script.executor(
            shape, launcher, graph.outputs / "runs" / "etude", name="etude", code=graph.outputs
        )
        with tempfile.NamedTemporaryFile("w", prefix="etude-", suffix=".sh") as file:
            file.write(script.text(made, 1))
            file.flush()
            try:
                commands.ask("sbatch", "--test-only", file.name)
            except SlurmError as error:
                _, answered, said = str(error).rpartition("it said: ")
                if not answered or _AWAY in said:
                    raise  # that is no refusal
                text = f"{', '.join(names)} ({shape.words}): {said}"
                away = commands.away(shape.partition) if _NOT_NOW in said else []
                if away:
                    # The test also fails on machines that are to come back; the queue takes such
                    # a job, or refuses it in earnest.
                    some = ", ".join(away[:4]) + (" …" if len(away) > 4 else "")
                    tell(f"{text} now; down or drained: {some}. Submitting all the same")
                else:
                    problems.append(text)
    if problems:
        advice = "`etude plan … launcher=slurm` shows the script; nothing was submitted."
        raise SlurmError("SLURM would refuse:\n  " + "\n  ".join(problems) + f"\n{advice}")


def told(
    graph: Graph, folder: Path, launcher: SlurmSettings, submission: Submission
) -> Iterator[str]:
    """Yield what a person needs after a submission: jobs, logs, and the commands that follow."""
    yield f"{folder.name} · {counts(graph)}"
    if submission.finished:
        yield f"  {counted(submission.finished, 'stage')} done already"
    ids = [jobs for _, jobs in submission.batches]
    for batch, jobs in submission.batches:
        yield "  " + _batch_words(batch, unit_shape(batch.units[0], launcher), jobs, ids)
    others = sorted(set(submission.queued.values()))
    if others:
        listed = ", ".join(commands.collapsed(others))
        yield f"  {counted(len(others), 'stage')} in the queue already: job {listed}"
    short = folder.name.rpartition("-")[2]
    option = "" if _is_default(graph.outputs) else f" --outputs {shown(graph.outputs)}"
    if submission.waiting:
        left = len(submission.waiting)
        yield f"  {counted(left, 'stage')} {'waits' if left == 1 else 'wait'} for room in the queue"
        if submission.refusal:
            yield f"    {submission.refusal}"
        if submission.count or others:
            again = f"etude resume {short}{option}"
            yield f"    jobs of this run submit them as they end; else: {again}"
        else:
            yield f"    nothing runs yet; when there is room: etude resume {short}{option}"
    yield f" logs    {shown(folder / registry.LOGS)}"
    yield f" watch   etude status {short}{option} · etude logs {short} STAGE --follow{option}"
    yield f" steer   etude cancel {short}{option} · etude resume {short}{option}"


def _is_default(outputs: Path) -> bool:
    return outputs == Path(os.environ.get("PWD", ".")).absolute() / "outputs"


def _batch_words(batch: Batch, shape: Shape, jobs: list[str], ids: list[list[str]]) -> str:
    amount = f"{len(batch.units)} jobs, one array" if len(batch.units) > 1 else "1 job"
    listed = ", ".join(commands.collapsed(jobs))
    text = f"{batch.name:<8} {amount:<20} {shape.words}  job {listed}"
    after = [_edge_words(edge, ids) for edge in batch.edges]
    return text + (f"  after {', '.join(after)}" if after else "")


def _edge_words(edge: Edge, ids: list[list[str]]) -> str:
    if edge.batch is None:
        return str(edge.job)
    if edge.task is None:
        return f"its own task of {ids[edge.batch][0].partition('_')[0]}"
    return ids[edge.batch][edge.task]


def planned(graph: Graph, launcher: SlurmSettings) -> Iterator[str]:
    """Yield what would be submitted: arrays and edges, then the script of each shape.

    Nothing is written and SLURM is asked only for its largest array. Raises ConfigError.
    """
    units = left(graph)
    if not units:
        return
    try:
        largest, queued = largest_array(), _queued(graph, units)
    except SlurmError as error:
        largest, queued = 1000, {}
        yield f" (the limits of the site could not be asked: {error})"
    units = {key: unit for key, unit in units.items() if key not in queued}

    def shape(unit: Unit) -> Shape:
        return unit_shape(unit, launcher)

    batches = batches_of(units, shape, largest=largest, queued=queued)
    ids = [_future(number, batch) for number, batch in enumerate(batches)]
    yield f" {counted(len(batches), 'submission')} to SLURM:"
    for batch, jobs in zip(batches, ids, strict=True):
        yield "   " + _batch_words(batch, shape(batch.units[0]), jobs, ids)
    if queued:
        yield f"   in the queue already: job {', '.join(commands.collapsed(queued.values()))}"
    seen: set[Shape] = set()
    for batch in batches:
        own = shape(batch.units[0])
        if own in seen:
            continue
        seen.add(own)
        yield ""
        yield f" sbatch text of {batch.name}:"
        folder = graph.outputs / "runs" / "RUN"
        code = graph.outputs / layout.CODE / "COPY"
        made = script.executor(own, launcher, folder, name=batch.name, code=code, only_shown=True)
        yield from (f"   {line}" for line in script.text(made, len(batch.units)).splitlines())


def _future(number: int, batch: Batch) -> list[str]:
    letter = chr(ord("A") + number) if number < 26 else f"J{number}"
    if len(batch.units) == 1:
        return [letter]
    return [f"{letter}_{task}" for task in range(len(batch.units))]


def _queued(graph: Graph, units: Mapping[str, Unit]) -> dict[str, str]:
    live = commands.queue()
    newest = {key: registry.newest_job(graph.outputs, key) for key in units}
    return {key: job.job for key, job in newest.items() if job is not None and job.job in live}
