"""The state of every piece of a run, from its folders, its jobs and what SLURM says of them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from etude.execute.lock import holder
from etude.execute.owner import Owner
from etude.launch import registry
from etude.launch.seeing import printed, reasons
from etude.launch.seeing.asked import Asked, Piece
from etude.launch.seeing.cluster import Cluster, JobAnswer
from etude.launch.seeing.folders import Folders, Found, pace
from etude.launch.seeing.seen import Seen
from etude.launch.slurm.commands import Accounted, Queued

#: States that another piece cannot rest on.
_LOST = frozenset({"failed", "blocked", "cancelled", "stopped", "vanished"})


def look(asked: Asked, cluster: Cluster, folders: Folders | None = None) -> list[Seen]:
    """Return the state of every piece of a run, in its order."""
    # SLURM first: a job that ends in between has left its results by then.
    queue = cluster.queue(asked.folder.stat().st_uid) if asked.on_cluster else {}
    known = folders or Folders(asked.outputs)
    found = known.found(asked.pieces.values())
    jobs = dict(asked.jobs)
    for key in asked.pieces:
        if asked.on_cluster and key not in jobs and found[key].done is None:
            foreign = registry.newest_job(asked.outputs, key)
            if foreign is not None:
                jobs[key] = foreign
    return list(_Look(asked, known, found, jobs, queue, cluster).all())


class _Look:
    """One look at a run: everything that was read, and the states found so far."""

    def __init__(
        self,
        asked: Asked,
        folders: Folders,
        found: Mapping[str, Found],
        jobs: Mapping[str, registry.Submitted],
        queue: Mapping[str, Queued] | None,
        cluster: Cluster,
    ) -> None:
        self.asked = asked
        self.folders = folders
        self.found = found
        self.jobs = jobs
        self.queue = queue
        self.answer = JobAnswer(None if queue is None else dict(queue))
        self.ended = {key: self._ended(key) for key in asked.pieces if found[key].done is None}
        self.accounts = self._accounts(cluster)
        self.waiting = frozenset(registry.waiting(asked.folder))
        self.seen: dict[str, Seen] = {}
        self.now = time.time()

    def _ended(self, key: str) -> dict[str, Any] | None:
        """Return how the present job of a piece said that it ended."""
        about = registry.ended(self.asked.folder, key)
        job = self.jobs.get(key)
        if about is None or about.get("job") in (None, "", job.job if job else None):
            return about
        return None

    def _accounts(self, cluster: Cluster) -> dict[str, Accounted]:
        if self.queue is None:
            gone = [key for key in self.ended if key in self.jobs]
        else:
            gone = [
                key
                for key in self.ended
                if key in self.jobs and self.jobs[key].job not in self.queue
            ]
        needed = any(self.ended[key] is None for key in gone)
        return cluster.accounting([self.jobs[key].job for key in gone], needed)

    def all(self) -> Iterator[Seen]:
        """Yield the state of every piece; parents come first, so theirs is known."""
        for key, piece in self.asked.pieces.items():
            seen = self._state(piece, self.found[key])
            self.seen[key] = seen
            yield seen

    def _state(self, piece: Piece, found: Found) -> Seen:
        job = self.jobs.get(piece.fingerprint)
        queued = self.queue.get(job.job) if self.queue and job is not None else None
        seen = Seen(
            piece.name,
            piece.fingerprint,
            "done",
            piece.overrides,
            piece.is_stage,
            found.attempt,
            found.step,
            found.steps,
            found.kept,
            job=job.job if job is not None else "",
            node=queued.nodes if queued is not None else "",
            run=job.run if job is not None and job.run != self.asked.name else "",
            problems=found.problems,
            seconds=float((found.done or {}).get("seconds") or 0.0),
            models=piece.models,
        )
        if queued is not None:
            return self._in_queue(seen, piece, found, queued)
        if found.done is not None:
            return seen
        if piece.fingerprint in self.waiting:
            lost = self._lost(piece)
            state, cause = ("blocked", lost) if lost else ("unsubmitted", "for room in the queue")
            return replace(seen, state=state, cause=cause, job="", run="")
        if job is not None and self.queue is not None:
            return self._left_queue(seen, found)
        if job is not None:
            return self._unseen(seen, found)
        return self._without_job(seen, piece, found)

    def _in_queue(self, seen: Seen, piece: Piece, found: Found, queued: Queued) -> Seen:
        if queued.state == "COMPLETING":
            if found.done is not None:
                return seen
            about = self.ended[piece.fingerprint]
            if about is not None and about.get("state") != "requeued":
                return self._as_told(seen, found, piece, about, None)
            again = self._requeued(piece, seen)
            cause = "ends"
            if again is not None and again.restart == found.restart:
                cause = f"goes back into the queue ({again.why})"
            return replace(seen, state="running", cause=cause, log=self._log(seen, found))
        if queued.state not in ("PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED"):
            return self._running(seen, found, queued.state)
        if found.done is not None and not piece.fresh:
            return replace(seen, state="waiting", cause="trained; its evaluations are to be made")
        if queued.reason == "DependencyNeverSatisfied":
            lost = self._lost(piece)
            why = f"because {lost} " if lost else ""
            words = reasons.waiting(queued.reason, seen.job)
            return replace(seen, state="blocked", cause=f"{why}({words})" if why else words)
        return replace(seen, state="waiting", cause=self._waits(seen, piece, queued))

    def _waits(self, seen: Seen, piece: Piece, queued: Queued) -> str:
        parts = []
        again = self._requeued(piece, seen)
        if again is not None:
            at = f"step {seen.resumes_from}/{seen.steps}" if seen.resumes_from else "its beginning"
            parts.append(f"requeued ({again.why}), goes on from {at}")
        elif seen.resumes_from:
            parts.append(f"goes on from step {seen.resumes_from}/{seen.steps}")
        before = self._before(piece)
        if queued.reason == "Dependency":
            ended = "the end of jobs whose stages are done"
            other = ended if piece.parents else "jobs that are not part of this run"
            parts.append(f"for {before or other}")
        elif queued.reason not in ("None", "") or not parts:
            parts.append(reasons.waiting(queued.reason or "None", seen.job))
        return "; ".join(parts)

    def _requeued(self, piece: Piece, seen: Seen) -> registry.Requeue | None:
        """Return how its present job came back into the queue last, if it did."""
        known = registry.requeues(self.asked.folder, piece.fingerprint)
        return known[-1] if known and known[-1].job == seen.job else None

    def _before(self, piece: Piece) -> str:
        """Return the names of what a piece waits for, each once."""
        names = (
            self.seen[each].name
            for each in piece.parents
            if each in self.seen and self.seen[each].state != "done"
        )
        return ", ".join(dict.fromkeys(names))

    def _running(self, seen: Seen, found: Found, state: str = "RUNNING") -> Seen:
        seen = replace(seen, state="running", log=self._log(seen, found))
        if found.done is not None:
            return replace(seen, cause="trained; measures its model")
        if self._is_earlier(seen, found):
            return replace(seen, cause="starts", attempt=0)
        if not found.attempt:
            return replace(seen, cause="starts" if seen.is_stage else "")
        how = pace(found, self.now)
        silent = None
        if how.age is not None and how.age > max(120.0, 10 * how.usual):
            silent = how.age
        cause = "" if state == "RUNNING" else f"SLURM says {state}"
        node = seen.node or found.host
        return replace(
            seen, figure=how.figure, left=how.left, silent=silent, cause=cause, node=node
        )

    def _is_earlier(self, seen: Seen, found: Found) -> bool:
        """Tell whether the newest attempt was made by an earlier job, or start of this job."""
        if not seen.job or found.job is None:
            return False
        start = self._start(seen)
        later = start is not None and start.restart > found.restart
        return found.job != seen.job or later

    def _left_queue(self, seen: Seen, found: Found) -> Seen:
        """Return the state of a piece whose job is over though nothing finished is there."""
        worker = self._worker(seen.fingerprint)
        if worker is not None and worker.job != seen.job:
            return replace(self._running(seen, found), cause=f"{worker} works on it")
        about, account = self.ended[seen.fingerprint], self.accounts.get(seen.job)
        piece = self.asked.pieces[seen.fingerprint]
        if about is not None and about.get("state") != "done":
            return self._as_told(seen, found, piece, about, account)
        lost = self._lost(piece)
        if account is not None and account.state == "CANCELLED":
            # SLURM cancels what rests on a failed job; its own record does not say that it was so.
            if lost:
                return replace(seen, state="blocked", cause=lost)
            return replace(seen, state="cancelled", cause="by scancel", node=account.node)
        unstarted = self._unstarted(seen)
        if account is not None and account.state in _BAD:
            why = reasons.ended(account)
            why = f"{why} before Python started: {unstarted}" if unstarted else why
            return self._failed(seen, found, why, account)
        if account is not None and account.state == "COMPLETED":
            cause = "SLURM says COMPLETED, but its result is missing or damaged"
            return self._failed(seen, found, cause, account)
        if found.failure is not None and found.job == seen.job:
            return self._failed(seen, found, "", account)
        if lost:
            return replace(seen, state="blocked", cause=lost)
        if unstarted:
            return self._failed(seen, found, f"ended before Python started: {unstarted}", account)
        return replace(seen, state="vanished", cause=f"SLURM has no record of job {seen.job}")

    def _as_told(
        self,
        seen: Seen,
        found: Found,
        piece: Piece,
        about: Mapping[str, Any],
        account: Accounted | None,
    ) -> Seen:
        """Return the state that the job itself left behind."""
        state, why = str(about.get("state")), str(about.get("why") or "")
        seen = replace(seen, node=str(about.get("host") or ""), log=self._log(seen, found))
        if state == "blocked":
            return replace(seen, state="blocked", cause=why or self._lost(piece), log="")
        if state == "cancelled":
            return replace(seen, state="cancelled", cause=why)
        if state == "interrupted":
            hint = self._hint(seen, found, why, account)
            return replace(seen, state="stopped", cause=why, hint=hint)
        return self._failed(seen, found, why, account)

    def _failed(self, seen: Seen, found: Found, why: str, account: Accounted | None) -> Seen:
        own = found.failure if found.job in (None, seen.job) or not seen.job else None
        if own is not None and own.get("echo") and why:
            own = None  # a rank that only lost another one knows less than the job's end
        cause = str(own["error"]) if own is not None else why or "unknown"
        start = self._start(seen)
        rank = own.get("rank") if own is not None else None
        if not rank and (start is None or len(start.ranks) < 2):
            rank = None  # of a stage in one process it goes without saying
        node = seen.node or (account.node if account is not None else "")
        return replace(
            seen,
            state="failed",
            cause=cause,
            hint=self._hint(seen, found, f"{cause} {why}", account),
            node=node or found.host,
            rank=rank,
            log=self._log(seen, found, rank or 0),
        )

    def _hint(self, seen: Seen, found: Found, cause: str, account: Accounted | None) -> str:
        resources = self.asked.pieces[seen.fingerprint].resources
        attempt = Path(found.folder, "attempts", str(found.attempt))
        had = reasons.had(resources, self.asked.launcher, attempt)
        state = account.state if account is not None else ""
        return reasons.hint(seen.name, cause, state, seen.resumes_from, had)

    def _lost(self, piece: Piece) -> str:
        """Return which pieces that it rests on are lost, and how: ``sft-1a2b failed``."""
        lost = (
            self.seen[each]
            for each in piece.parents
            if each in self.seen and self.seen[each].state in _LOST
        )
        return ", ".join(dict.fromkeys(f"{each.head} {_WAS[each.state]}" for each in lost))

    def _unseen(self, seen: Seen, found: Found) -> Seen:
        """Return the state of a piece with a job where SLURM's queue does not answer."""
        if self._worker(seen.fingerprint) is not None:
            return self._running(seen, found)
        about, account = self.ended[seen.fingerprint], self.accounts.get(seen.job)
        if about is not None or (account is not None and account.state in ("CANCELLED", *_BAD)):
            return self._left_queue(seen, found)
        if found.failure is not None and found.job == seen.job:
            return self._failed(seen, found, "", account)
        cause = f"handed over as job {seen.job}; SLURM does not answer"
        return replace(seen, state="queued", cause=cause)

    def _worker(self, fingerprint: str) -> Owner | None:
        if not self.folders.was_leased(fingerprint):
            return None
        return holder(self.asked.outputs, fingerprint, self.answer)

    def _without_job(self, seen: Seen, piece: Piece, found: Found) -> Seen:
        """Return the state of a piece that no job of a cluster does."""
        worker = self._worker(piece.fingerprint)
        if worker is not None:
            return self._running(replace(seen, job=worker.job or "", node=worker.host), found)
        about = self.ended[piece.fingerprint]
        if about is not None and about.get("state") != "done":
            return self._as_told(seen, found, piece, about, None)
        if found.failure is not None:
            return self._failed(seen, found, "", None)
        if found.attempt:
            return replace(seen, state="stopped", log=self._log(seen, found))
        lost = self._lost(piece) or piece.waits_for
        if self.asked.is_written and (self.asked.on_cluster or self.asked.is_over) and lost:
            return replace(seen, state="blocked", cause=lost)
        if self.asked.on_cluster:
            return replace(seen, state="unsubmitted", cause="for room in the queue")
        waits_for = piece.waits_for or self._before(piece)
        return replace(seen, state="waiting", cause=f"for {waits_for}" if waits_for else "")

    def _start(self, seen: Seen) -> printed.Start | None:
        """Return the newest start of its job."""
        found = printed.starts(self._run(seen), seen.name, seen.fingerprint, seen.job or None)
        return found[-1] if found else None

    def _unstarted(self, seen: Seen) -> str:
        """Return the last words of a job whose batch script ended before any rank printed."""
        path = printed.batch_log(self._run(seen), seen.job)
        return "" if path is None or self._start(seen) is not None else printed.last_words(path)

    def _run(self, seen: Seen) -> Path:
        """Return the folder of the run whose job it is."""
        return self.asked.folder.with_name(seen.run) if seen.run else self.asked.folder

    def _log(self, seen: Seen, found: Found, rank: int = 0) -> str:
        """Return what the newest attempt printed, or its own log where no job ran it."""
        start = self._start(seen)
        if start is not None:
            return str(start.of_rank(rank))
        if found.attempt and (not seen.job or found.job in (None, seen.job)):
            return f"{found.folder}/attempts/{found.attempt}/log"
        path = printed.batch_log(self._run(seen), seen.job)
        return "" if path is None else str(path)


_BAD = frozenset(
    {"OUT_OF_MEMORY", "TIMEOUT", "NODE_FAIL", "PREEMPTED", "DEADLINE", "BOOT_FAIL", "FAILED"}
)
_WAS = {
    "failed": "failed",
    "blocked": "did not run",
    "cancelled": "was cancelled",
    "stopped": "was stopped",
    "vanished": "has vanished",
}
