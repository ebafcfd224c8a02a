"""One process at a time works on a stage or an evaluation: a lease, by numbered generations.

The owner of generation n is who created ``.locks/<fingerprint>/<n>.json``, and the highest
generation owns. Only exclusive creation, renaming and listing are asked of the file system, so this
holds on network file systems too. An owner touches its file every few seconds; who waits takes
generation n + 1 once n was released or its owner is known to be gone. An owner that was only slow
finds the higher generation when it next looks (:meth:`Lease.check`) and stops: it is fenced off.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from etude.errors import Fenced
from etude.execute import generations
from etude.execute.atomic import storing
from etude.execute.generations import Claim
from etude.execute.owner import Owner

#: Asked for a SLURM job ("123" or "123_4"): ``gone`` when SLURM says that it runs no more. It never
#: raises; where SLURM does not answer it says ``unknown``.
JobState = Callable[[str], Literal["running", "gone", "unknown"]]

#: Without a sign of life for so long, by the clock of who waits, an owner is taken to be gone.
LEASE_SECONDS = 120.0

#: An owner touches its file this often.
BEAT_SECONDS = 5.0

_ASK_SECONDS = 5.0
_POLL_SECONDS = (0.05, 1.0)


class Lease:
    """The right to work on a stage, as long as nobody took it over."""

    def __init__(self, folder: Path, generation: int, owner: Owner, took_over: str) -> None:
        self.folder = folder
        self.generation = generation
        self.owner = owner
        #: From whom and why it was taken over; empty after a release, or when it is the first.
        self.took_over = took_over
        #: Noticed between checks, by the thread that touches the file.
        self.lost = False
        self._path = generations.file_of(folder, generation)
        self._ended = threading.Event()

    def check(self) -> None:
        """Raise Fenced when another attempt took over; called before everything that is shared."""
        with storing(self.folder):
            generations.see_afresh(self.folder)
            found = generations.current(self.folder)
        if self._is_mine(found):
            return
        self.lost = True
        by = f": {found.owner}" if found is not None and found.owner != self.owner else ""
        raise Fenced(
            f"another attempt took over this stage{by}. This process stops and leaves everything "
            "as it is"
        )

    def _is_mine(self, found: Claim | None) -> bool:
        mine = (self.generation, self.owner)
        return found is not None and (found.generation, found.owner) == mine

    @contextmanager
    def beating(self, seconds: float) -> Iterator[None]:
        """Show every few seconds that this process lives, during the block; then release."""
        thread = threading.Thread(
            target=self._beat, args=(seconds,), name="etude-lease", daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            self._release()

    def _beat(self, seconds: float) -> None:
        while not self._ended.wait(seconds):
            # A file system that does not answer now must not end a training that could go on; if
            # it lasts, somebody takes over and the next check finds out.
            with suppress(OSError):
                if not self.lost:
                    os.utime(self._path)
                if max(generations.numbers(self.folder), default=0) > self.generation:
                    self.lost = True

    def _release(self) -> None:
        with suppress(OSError):
            if not self._is_mine(generations.current(self.folder)):
                return
            try:
                beside = generations.write(self.folder, self.generation, self.owner, released=True)
                beside.replace(self._path)
            except OSError:
                # A full disk takes no new file, but a time: the epoch stands for a release.
                os.utime(self._path, (0, 0))


@contextmanager
def locked(
    outputs: Path,
    fingerprint: str,
    *,
    waiting: Callable[[str], None],
    check: Callable[[], None] = lambda: None,
    job_state: JobState | None = None,
    lease_seconds: float = LEASE_SECONDS,
) -> Iterator[Lease]:
    """Hold the lease of a node for the block; another process takes it over when this one dies.

    ``waiting`` is told who holds it, again when that changes; ``check`` is called while waiting and
    may raise. ``job_state`` asks SLURM whether an owner's job still runs. Raises StorageError when
    the lease cannot be written.
    """
    lease = _acquire(outputs, fingerprint, waiting, check, job_state, lease_seconds)
    with lease.beating(min(BEAT_SECONDS, lease_seconds / 4)):
        yield lease


def is_held(outputs: Path, fingerprint: str, job_state: JobState | None = None) -> bool:
    """Tell whether a process works on a node now."""
    return holder(outputs, fingerprint, job_state) is not None


def holder(outputs: Path, fingerprint: str, job_state: JobState | None = None) -> Owner | None:
    """Return who works on a node now: ``str()`` of it says ``job 123_4 (attempt 2) on n014``."""
    folder = generations.folder_of(outputs, fingerprint)
    found = generations.current(folder)
    if found is None or found.released:
        return None
    here = Owner.here()
    if _over(found.owner, here, job_state) is not None:
        return None
    if not found.owner.beside(here) and _silence(folder, found) > 5 * LEASE_SECONDS:
        return None
    return found.owner


def _acquire(
    outputs: Path,
    fingerprint: str,
    waiting: Callable[[str], None],
    check: Callable[[], None],
    job_state: JobState | None,
    lease_seconds: float,
) -> Lease:
    folder = generations.folder_of(outputs, fingerprint)
    with storing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    me = Owner.here()
    watch = _Watch(me, job_state, lease_seconds)
    told = ""
    pause = _POLL_SECONDS[0]
    while True:
        with storing(folder):
            found = generations.current(folder)
            why = watch.free(found)
            if why is not None:
                generation = 1 if found is None else found.generation + 1
                if generations.claim(folder, generation, me):
                    generations.tidy(folder, generation)
                    return Lease(folder, generation, me, why)
                continue
        assert found is not None
        if told != str(found.owner):
            told = str(found.owner)
            waiting(told)
        check()
        time.sleep(pause)
        pause = min(_POLL_SECONDS[1], pause * 1.5)


class _Watch:
    """What one who waits has seen of the owners, by its own clock alone."""

    def __init__(self, me: Owner, job_state: JobState | None, lease_seconds: float) -> None:
        self.me = me
        self.job_state = job_state
        self.lease_seconds = lease_seconds
        self._seen: tuple[int, int] | None = None
        self._silent = 0.0
        self._looked = time.monotonic()
        self._asked: float | None = None

    def free(self, found: Claim | None) -> str | None:
        """Return why the lease can be taken ("" when nobody has it), or None while it is held."""
        if found is None or found.released:
            return ""
        now = time.monotonic()
        ask = self._asked is None or now - self._asked >= _ASK_SECONDS
        if ask:
            self._asked = now
        why = _over(found.owner, self.me, self.job_state if ask else None)
        if why is not None:
            return f"{found.owner}: {why}"
        # A pause of this process is no silence of the other.
        gap, self._looked = min(now - self._looked, 5 * _POLL_SECONDS[1]), now
        if self._seen != (found.generation, found.touched):
            self._seen, self._silent = (found.generation, found.touched), 0.0
        else:
            self._silent += gap
        if self._silent > self.lease_seconds:
            return f"{found.owner}: it gave no sign of life for {self.lease_seconds:g} seconds"
        return None


def _over(owner: Owner, me: Owner, job_state: JobState | None) -> str | None:
    """Return how it is known that an owner is gone, or None when it is not known."""
    if owner.beside(me) and owner.gone():
        return "that process is gone"
    if owner.restarted_as(me):
        return "SLURM started the job again"
    if owner.job is not None and owner.job != me.job and job_state is not None:
        return "SLURM says the job is over" if job_state(owner.job) == "gone" else None
    return None


def _silence(folder: Path, found: Claim) -> float:
    """Return the seconds since an owner's last sign of life, by the clock of the file system.

    One look cannot see a heart beat. Some file systems take the time from each machine, so only a
    long silence means anything; nothing is taken over on its account.
    """
    probe = folder.parent / ".now"
    try:
        probe.touch()
        os.utime(probe)
        return (probe.stat().st_mtime_ns - found.touched) / 1e9
    except OSError:
        return 0.0
