"""Hands the units of a written graph to SLURM: what is not done and not in the queue already."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from etude.build import build
from etude.errors import SlurmError
from etude.execute.lock import locked
from etude.execute.owner import slurm_job
from etude.launch import code, registry, written
from etude.launch.arrays import Batch, Edge, batches_of
from etude.launch.resources import Shape, shape_of
from etude.launch.slurm import commands, script
from etude.launch.slurm.settings import SlurmSettings
from etude.launch.units import Unit, units_of
from etude.plan import layout
from etude.plan.lookup import state_of
from etude.plan.nodes import Graph

#: Words of SLURM's refusals that mean: not so many at once.
_FULL = ("joblimit", "submitjob", "job limit", "accounting/qos policy", "jobs in queue")

#: How long a submission waits for jobs of its units that are ending, and pauses in between.
_ENDING = 60.0
_PAUSE = 1.0

#: SLURM's own limit on the tasks of an array where it does not say.
_ARRAY = 1000


@dataclass
class Submission:
    """What one pass handed over: batches with their job ids, and what it did not."""

    batches: list[tuple[Batch, list[str]]] = field(default_factory=list)
    finished: int = 0
    queued: Mapping[str, str] = field(default_factory=dict)
    waiting: Sequence[str] = ()
    refusal: str = ""

    @property
    def count(self) -> int:
        """Return the number of units that were handed over."""
        return sum(len(batch.units) for batch, _ in self.batches)


def submit(folder: Path, *, again: bool, say: Callable[[str], None]) -> Submission:
    """Submit what the run in ``folder`` still needs and return what was done.

    ``again`` also takes up what has failed or was cancelled; a job that submits what comes next
    leaves that alone. Raises SlurmError where SLURM refuses a job for another reason than its
    number; then nothing of this pass stays in the queue.
    """
    graph, config = written.read(folder, ())
    launcher: SlurmSettings = build(config, "launcher")
    outputs = graph.outputs

    own = slurm_job() if not again else None

    def waiting(holder: str) -> None:
        say(f"{holder} is submitting in {outputs}; waiting")

    with locked(outputs, "submission", waiting=waiting), _outside_a_job():
        units = units_of(graph)
        known = registry.jobs_of(folder)
        live = _settled(graph, units, known, folder, say) if again else commands.queue()
        queued = _queued(graph, units, known, live)
        foreign = [job for unit, job in queued.items() if _job(known, unit) != job.job]
        if foreign:
            registry.record(outputs, folder, foreign, by_stage=False)
        finished = finished_units(graph, units)
        todo = {
            key: unit for key, unit in units.items() if key not in finished and key not in queued
        }
        if not again:
            todo = _untouched(todo, units, finished, known, queued, folder)
        else:
            for key in todo:
                registry.forget_ended(folder, key)
        done = Submission([], len(finished), {key: job.job for key, job in queued.items()})
        if todo:
            _Pass(graph, launcher, folder, done, say).run(todo, _room(launcher, known, live, own))
        registry.write_waiting(folder, done.waiting)
        return done


@contextmanager
def _outside_a_job() -> Iterator[None]:
    """Take the variables of a surrounding job out of the environment: sbatch would read them."""
    if "SLURM_JOB_ID" not in os.environ:
        yield
        return
    from submitit.helpers import clean_env

    conf = os.environ.get("SLURM_CONF")
    with clean_env():
        if conf:
            os.environ["SLURM_CONF"] = conf
        yield


def _settled(
    graph: Graph,
    units: Mapping[str, Unit],
    known: Mapping[str, registry.Submitted],
    folder: Path,
    say: Callable[[str], None],
) -> dict[str, commands.Queued]:
    """Return the queue once no job of these units is ending: only then is known what it leaves.

    A job that was cancelled, and one that ends for too long, counts as gone; the lease keeps what
    is left of it and its successor apart.
    """
    end = time.monotonic() + _ENDING
    told: set[str] = set()
    while True:
        live = commands.queue()
        ending = {
            job.job
            for unit, job in _queued(graph, units, known, live).items()
            if live[job.job].state == "COMPLETING"
            and (registry.ended(folder, unit) or {}).get("state") != "cancelled"
        }
        if not ending or time.monotonic() > end:
            return {job: each for job, each in live.items() if each.state != "COMPLETING"}
        if ending - told:
            say(f"job {', '.join(commands.collapsed(sorted(ending)))} is ending; waiting for that")
            told |= ending
        time.sleep(_PAUSE)


def _job(known: Mapping[str, registry.Submitted], unit: str) -> str | None:
    return known[unit].job if unit in known else None


def _queued(
    graph: Graph,
    units: Mapping[str, Unit],
    known: Mapping[str, registry.Submitted],
    live: Mapping[str, commands.Queued],
) -> dict[str, registry.Submitted]:
    """Return the units that a job in the queue does, of this run or of another."""
    found = {}
    for key in units:
        for job in (known.get(key), registry.newest_job(graph.outputs, key)):
            if job is not None and job.job in live:
                found[key] = job
                break
    return found


def finished_units(graph: Graph, units: Mapping[str, Unit]) -> set[str]:
    """Return the units whose stage and evaluations are all done on disk."""
    folders = layout.Folders(graph.outputs)

    def done(unit: Unit) -> bool:
        return all(state_of(node, graph.outputs, folders).kind == "done" for node in unit.nodes)

    return {key for key, unit in units.items() if done(unit)}


def _untouched(
    todo: Mapping[str, Unit],
    units: Mapping[str, Unit],
    finished: set[str],
    known: Mapping[str, registry.Submitted],
    queued: Mapping[str, registry.Submitted],
    folder: Path,
) -> dict[str, Unit]:
    """Return the units that are still to be handed over and rest on nothing that was lost."""
    expected = {*finished, *queued, *registry.waiting(folder)}
    lost = {
        key
        for key in units
        if key not in expected and (key in known or registry.ended(folder, key) is not None)
    }
    for key, unit in units.items():  # parents come first
        if key not in finished and any(parent in lost for parent in unit.parents):
            lost.add(key)
    return {key: unit for key, unit in todo.items() if key not in lost}


def _room(
    launcher: SlurmSettings,
    known: Mapping[str, registry.Submitted],
    live: Mapping[str, commands.Queued],
    own: str | None,
) -> int | None:
    """Return how many more jobs a run may have; ``own`` is the one that ends and submits."""
    if launcher.most_jobs is None:
        return None
    there = sum(job.job in live and job.job != own for job in known.values())
    return max(0, launcher.most_jobs - there)


class _Pass:
    """One pass over what is to do: plan batches, submit, plan smaller ones where SLURM is full."""

    def __init__(
        self,
        graph: Graph,
        launcher: SlurmSettings,
        folder: Path,
        done: Submission,
        say: Callable[[str], None],
    ) -> None:
        self.graph = graph
        self.launcher = launcher
        self.folder = folder
        self.done = done
        self.code = code.snapshot(graph.outputs, folder, say)
        self.largest = largest_array()
        self.jobs: dict[str, str] = {}

    def run(self, todo: Mapping[str, Unit], room: int | None) -> None:
        """Submit as many units as there is room for, parents first."""
        left = dict(todo)
        limit = len(left) if room is None else min(room, len(left))
        too_many = limit + 1
        while left and limit:
            some = dict(list(_by_depth(left).items())[:limit])
            queued = {**self.done.queued, **self.jobs}
            batches = batches_of(some, self.shape, largest=self.largest, queued=queued)
            before = len(left)
            refused = self._submit(batches, left)
            # SLURM does not say for how many there is room: halves find it out.
            too_many = refused or too_many - (before - len(left))
            limit = min(too_many // 2, len(left))
        self.done.waiting = tuple(left)

    def shape(self, unit: Unit) -> Shape:
        """Return the machines that a unit asks for."""
        return unit_shape(unit, self.launcher)

    def _submit(self, batches: Sequence[Batch], left: dict[str, Unit]) -> int:
        """Submit batches; return the size of the one that SLURM has no room for, or 0."""
        ids: list[list[str]] = []
        for batch in batches:
            try:
                jobs = self._hand_over(batch, ids)
            except SlurmError as error:
                if any(word in str(error).lower() for word in _FULL):
                    self.done.refusal = str(error)
                    return len(batch.units)
                commands.cancel([job for _, jobs in self.done.batches for job in jobs])
                raise
            ids.append(jobs)
            self.done.batches.append((batch, jobs))
            pairs = list(zip(batch.units, jobs, strict=True))
            registry.record(
                self.graph.outputs,
                self.folder,
                [registry.Submitted(u.fingerprint, job, self.folder.name) for u, job in pairs],
            )
            for unit, job in pairs:
                self.jobs[unit.fingerprint] = job
                left.pop(unit.fingerprint)
        return 0

    def _hand_over(self, batch: Batch, ids: Sequence[Sequence[str]]) -> list[str]:
        from submitit.core.utils import FailedJobError

        made = script.executor(
            self.shape(batch.units[0]),
            self.launcher,
            self.folder,
            name=batch.name,
            code=self.code,
            dependency=script.dependency_of([edge_words(edge, ids) for edge in batch.edges]),
        )
        units = [unit.fingerprint for unit in batch.units]
        try:
            with redirect_stderr(io.StringIO()):  # submitit prints a refusal, too
                jobs = made.map_array(_work(), [str(self.folder)] * len(units), units)
        except FailedJobError as error:
            text = commands.plain(str(error))
            raise SlurmError(f"SLURM refused {counted_jobs(batch)}: {text}") from error
        return [str(job.job_id) for job in jobs]


def _work() -> Callable[[str, str], Any]:
    """Return what a job does. It is named, as another process imports it."""
    run: Callable[[str, str], Any] = import_module("etude.launch.slurm.entry").run
    return run


def counted_jobs(batch: Batch) -> str:
    """Return ``the job of sft`` or ``the array of 6 rl``."""
    if len(batch.units) == 1:
        return f"the job of {batch.name}"
    return f"the array of {len(batch.units)} {batch.name}"


def unit_shape(unit: Unit, launcher: SlurmSettings) -> Shape:
    """Return the machines of a unit: its own resources, else the launcher's."""
    return shape_of(unit.resources, launcher, f"stages.{unit.name}.resources")


def edge_words(edge: Edge, ids: Sequence[Sequence[str]]) -> tuple[str, str]:
    """Return an edge as (kind, job); ``ids`` holds the job ids of the batches before."""
    if edge.batch is None:
        assert edge.job is not None  # an edge names a batch or a job
        return "afterok", edge.job
    if edge.task is None:
        return "aftercorr", ids[edge.batch][0].partition("_")[0]
    return "afterok", ids[edge.batch][edge.task]


def _by_depth(units: Mapping[str, Unit]) -> dict[str, Unit]:
    """Return units with those first that have the fewest before them: arrays get long."""
    depth: dict[str, int] = {}
    for key, unit in units.items():
        depth[key] = 1 + max((depth[p] for p in unit.parents if p in depth), default=-1)
    return {key: units[key] for key in sorted(units, key=lambda key: depth[key])}


def largest_array() -> int:
    """Return the most tasks of an array here: one less than SLURM's MaxArraySize."""
    text = commands.settings().get("MaxArraySize", "")
    return max(1, int(text) - 1) if text.isdecimal() else _ARRAY
