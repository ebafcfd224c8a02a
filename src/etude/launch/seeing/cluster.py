"""What SLURM says of the jobs of a run, asked as little as possible; it may not answer at all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from etude.errors import SlurmError
from etude.launch.slurm import commands
from etude.launch.slurm.commands import Accounted, Queued

#: Seconds that a person waits for the accounting where jobs have left without a word, and else.
_PATIENCE = 10.0
_SHORT = 2.0


@dataclass
class Cluster:
    """The queue of each user, asked once, and the accounting of the jobs that have left it.

    ``notes`` says once what did not answer; states then come from what is left.
    """

    notes: list[str] = field(default_factory=list)
    _queues: dict[int, dict[str, Queued] | None] = field(default_factory=dict)
    _accounting: bool = True

    def queue(self, user: int) -> dict[str, Queued] | None:
        """Return a user's jobs in the queue, or None where SLURM does not answer."""
        if user not in self._queues:
            try:
                self._queues[user] = commands.queue(user)
            except SlurmError as error:
                self._queues[user] = None
                self.notes.append(f"SLURM's queue cannot be seen from here: {error}")
        return self._queues[user]

    def accounting(self, jobs: Iterable[str], needed: bool) -> dict[str, Accounted]:
        """Return what is on record of jobs; ``needed`` tells whether its absence is worth a note.

        Nothing where there is no accounting, or none that answers.
        """
        wanted = list(jobs)
        if not wanted or not self._accounting:
            return {}
        try:
            return commands.accounting(wanted, _PATIENCE if needed else _SHORT)
        except SlurmError as error:
            self._accounting = False
            if needed:
                self.notes.append(
                    f"how jobs ended is told from their folders alone; the accounting: {error}"
                )
            return {}


@dataclass(frozen=True)
class JobAnswer:
    """Answers for a lease whether the job of its owner runs."""

    queue: dict[str, Queued] | None

    def __call__(self, job: str) -> Literal["running", "gone", "unknown"]:
        """Return ``gone`` for a job that has left the queue."""
        if self.queue is None:
            return "unknown"
        return "running" if job in self.queue else "gone"
