"""`etude cancel`: ends what a run has in the queue or runs here; what was saved stays."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from etude.cli.frame import Parser, tell
from etude.errors import StorageError
from etude.execute.lock import locked
from etude.execute.owner import Owner
from etude.launch import registry, written
from etude.launch.seeing.asked import Asked, folders_of, read, the_one
from etude.launch.seeing.cluster import Cluster
from etude.launch.seeing.states import look
from etude.launch.slurm import commands
from etude.launch.units import ancestors
from etude.plan import typed
from etude.plan.quantities import counted


def main(arguments: Sequence[str]) -> int:
    """Cancel what a run has in the queue or runs here: etude cancel RUN [--all]."""
    parser = Parser("etude cancel", description=main.__doc__)
    parser.add_argument("run", help="part of a run's name")
    parser.add_argument("--all", action="store_true", help="also jobs that other runs wait for")
    parser.add_argument("--outputs", type=Path, default=Path("outputs"), help="where runs lie")
    given = parser.parse_args(list(arguments))
    asked = read(the_one(given.outputs.expanduser().absolute(), given.run))
    if asked.on_cluster:
        return _cancel_jobs(asked, given.all)
    return _end_process(asked)


def _cancel_jobs(asked: Asked, everything: bool) -> int:
    """Cancel a run's jobs and keep those it did not hand over yet from being submitted."""

    def waiting(holder: str) -> None:
        tell(f"{holder} is submitting in {asked.outputs}; waiting")

    # A job that has just ended may be submitting what comes next.
    with locked(asked.outputs, "submission", waiting=waiting):
        asked = read(asked.folder)
        user = asked.folder.stat().st_uid
        queue = commands.queue(user)
        live = {
            key: each
            for key, each in asked.jobs.items()
            if each.job in queue and not _ends(asked.folder, key, each.job, queue[each.job])
        }
        own = {key: each for key, each in live.items() if each.run == asked.name}
        foreign = {key: each for key, each in live.items() if key not in own}
        rests = {} if everything else others_resting(asked, own, queue)
        kept = _with_ancestors(asked, rests)
        chosen = dict(own) if not everything else dict(live)
        chosen = {key: each for key, each in chosen.items() if key not in kept}
        unsubmitted = _unsubmitted(asked)
        # Written first: a job that was about to go back into the queue looks here, and of a task
        # of an array that waits SLURM keeps no record. One that runs says itself how it ended.
        for key in unsubmitted:
            registry.write_ended(asked.folder, key, _CANCELLED)
        for key, each in chosen.items():
            registry.write_ended(asked.folder, key, {**_CANCELLED, "job": each.job})
        registry.write_waiting(asked.folder, ())
        _cancel_for_good([each.job for each in chosen.values()], user)
    _tell(asked, [each.job for each in chosen.values()], len(unsubmitted))
    for key in own:
        if key in kept:
            who = ", ".join(rests.get(key, ())) or "stages that another run waits for"
            tell(f"  left: job {own[key].job} ({asked.head(key)}), for {who}")
    if not everything:
        for key, each in foreign.items():
            tell(f"  left: job {each.job} ({asked.head(key)}), of run {each.run}")
    if kept or (foreign and not everything):
        tell(f"  these too: {typed.about('cancel', asked.folder, asked.outputs, '--all')}")
    if chosen or unsubmitted:
        tell(f"go on with: {typed.about('resume', asked.folder, asked.outputs)}")
    return 0


def _ends(folder: Path, unit: str, job: str, queued: commands.Queued) -> bool:
    """Tell whether a job was cancelled before and is on its way out."""
    about = registry.ended(folder, unit) or {}
    was_cancelled = (about.get("state"), about.get("job")) == ("cancelled", job)
    return was_cancelled and queued.state == "COMPLETING"


_ROUNDS = 3
_PAUSE = 1.0
_CANCELLED = {"state": "cancelled", "why": "by etude cancel", "job": ""}


def _cancel_for_good(jobs: Sequence[str], user: int) -> None:
    """Cancel jobs, and again those that went back into the queue at that moment."""
    left = list(jobs)
    for _ in range(_ROUNDS):
        commands.cancel(left)
        if not left:
            return
        time.sleep(_PAUSE)
        queue = commands.queue(user)
        left = [job for job in left if job in queue and queue[job].state != "COMPLETING"]


def _unsubmitted(asked: Asked) -> list[str]:
    """Return the pieces that a job of this run would submit as soon as there is room."""
    seen = look(asked, Cluster())
    return [each.fingerprint for each in seen if each.state == "unsubmitted"]


def _tell(asked: Asked, jobs: Sequence[str], unsubmitted: int) -> None:
    if jobs:
        listed = ", ".join(commands.collapsed(jobs))
        tell(f"cancelled {counted(len(jobs), 'job')} of {asked.name}: {listed}")
    else:
        tell(f"{asked.name} has no jobs of its own in the queue")
    if unsubmitted:
        tell(f"  {counted(unsubmitted, 'stage')} that waited for room will not be submitted")


def others_resting(
    asked: Asked, own: Mapping[str, registry.Submitted], queue: Mapping[str, object]
) -> dict[str, list[str]]:
    """Return unit → the other runs that count on its job: they list it as one of theirs.

    A run counts as long as something of it is in the queue.
    """
    jobs = {each.job: key for key, each in own.items()}
    found: dict[str, list[str]] = {}
    for folder in folders_of(asked.outputs):
        if folder == asked.folder or not written.is_written(folder):
            continue
        theirs = registry.jobs_of(folder)
        for each in theirs.values():
            if each.job in jobs and each.job in queue:
                found.setdefault(jobs[each.job], []).append(folder.name)
    return found


def _with_ancestors(asked: Asked, units: Iterable[str]) -> set[str]:
    """Return units and all that they rest on: to cancel those would cancel these."""
    kept = set(units)
    if kept:
        graph, _ = written.read(asked.folder, ())
        kept.update(ancestors(graph, list(kept)))
    return kept


def _end_process(asked: Asked) -> int:
    """Ask the process of a local run to save and exit. Raises StorageError where it cannot."""
    if asked.result.get("state") != "running":
        state = asked.result.get("state", "over")
        tell(f"{asked.name} is {state}; there is nothing to cancel")
        return 0
    resume = typed.about("resume", asked.folder, asked.outputs)
    owner = asked.process
    if owner is None:
        raise StorageError(
            f"{asked.folder / 'result.json'} does not say which process runs {asked.name}; "
            f"end it with kill -TERM {asked.result.get('pid', 'PID')} where it runs"
        )
    if not owner.beside(Owner.here()):
        raise StorageError(
            f"{asked.name} is run by {owner}, which cannot be reached from here; type there: "
            f"kill -TERM {owner.pid}"
        )
    if owner.gone():
        tell(f"{asked.name}: {owner} is gone already; go on with: {resume}")
        return 0
    os.kill(owner.pid, signal.SIGTERM)
    tell(
        f"{owner} ({asked.name}) was asked to stop: it ends its step, writes a checkpoint and "
        f"exits. To go on: {resume}"
    )
    return 0
