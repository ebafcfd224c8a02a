"""`etude logs`: what a stage printed in its newest start, followed across requeues if asked."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from etude.cli.frame import Parser, tell
from etude.errors import StorageError
from etude.launch import registry
from etude.launch.seeing import printed
from etude.launch.seeing.asked import Asked, Piece, named_or_newest, read
from etude.launch.seeing.choosing import the_stage
from etude.launch.seeing.cluster import Cluster
from etude.launch.seeing.lines import shown
from etude.launch.seeing.seen import LIVE
from etude.launch.seeing.states import look
from etude.plan import layout, records, typed
from etude.printable import printable

_LISTED = 12
_POLL = 0.5
_ASK = 5.0
_BLOCK = 1 << 16


@dataclass(frozen=True)
class Log:
    """One file that a stage left: ``title`` says of which attempt or start of which job it is."""

    title: str
    path: Path


def logs_of(asked: Asked, piece: Piece, rank: int = 0) -> list[Log]:
    """Return the logs of a stage, oldest first.

    Where a job ran it they are what the rank printed in each start of its job, else the logs of its
    attempts.
    """
    attempts = _attempts(asked, piece)
    by_start = {}
    for path in attempts:
        about = layout.read_json(path / "attempt.json", records.ATTEMPT) or {}
        owner = about.get("owner") or {}
        by_start[owner.get("job"), owner.get("restart", 0)] = path.name
    found = []
    starts = _starts(asked, piece)
    for start in starts:
        attempt = by_start.get((start.job, start.restart))
        named = f"attempt {attempt}, " if attempt else ""
        path = start.folder / f"rank{rank}.log"
        if path.is_file():
            title = named + start.words
            found.append(Log(title + (f", rank {rank}" if len(start.ranks) > 1 else ""), path))
    batch = _unstarted(asked, piece, {start.job for start in starts})
    if batch is not None and not rank:
        found.append(Log(f"job {asked.jobs[piece.fingerprint].job} before any rank", batch))
    if found or starts or rank:
        return found
    return [Log(f"attempt {path.name}", path / "log") for path in attempts]


def _unstarted(asked: Asked, piece: Piece, started: set[str]) -> Path | None:
    """Return what the newest job printed where no rank of it has begun."""
    newest = asked.jobs.get(piece.fingerprint)
    if newest is None or newest.job in started:
        return None
    return printed.batch_log(asked.folder.with_name(newest.run), newest.job)


def _attempts(asked: Asked, piece: Piece) -> list[Path]:
    if not piece.is_stage:
        return []
    return layout.attempts(layout.stage_folder(asked.outputs, piece.name, piece.fingerprint))


def _starts(asked: Asked, piece: Piece) -> list[printed.Start]:
    """Return the starts of its jobs, also those that another run handed over."""
    found = printed.starts(asked.folder, piece.name, piece.fingerprint)
    newest = asked.jobs.get(piece.fingerprint) or registry.newest_job(
        asked.outputs, piece.fingerprint
    )
    if newest is not None and newest.run != asked.name:
        other = asked.folder.with_name(newest.run)
        found += printed.starts(other, piece.name, piece.fingerprint)
    return found


def main(arguments: Sequence[str]) -> int:
    """Print what a stage printed: etude logs [RUN] [STAGE] [--follow] [--rank R] [--attempt K]."""
    parser = Parser("etude logs", description=main.__doc__)
    parser.add_argument("run", nargs="?", help="part of a run's name; default: the newest run")
    parser.add_argument(
        "stage",
        nargs="*",
        help="its name, such as rl or rl-3c1e; with overrides: rl seed=2; default: the only one",
    )
    parser.add_argument("--follow", "-f", action="store_true", help="go on until the stage ends")
    parser.add_argument("--rank", type=int, default=0, help="process of a distributed stage")
    parser.add_argument("--attempt", type=int, help="attempt, by number; default: the newest")
    parser.add_argument("--outputs", type=Path, default=Path("outputs"), help="where runs lie")
    given = parser.parse_args(list(arguments))
    asked = read(named_or_newest(given.outputs.expanduser().absolute(), given.run))
    piece = _chosen(asked, given.stage)
    if piece is None:
        for line in _choices(asked):
            tell(line)
        return 0
    found = logs_of(asked, piece, given.rank)
    if given.attempt is not None:
        found = _of_attempt(asked, piece, found, given.attempt)
    elif not found and not given.follow:
        raise StorageError(_nothing(asked, piece, given.rank))
    for log in found:
        tell(f"# {log.title}: {shown(str(log.path))}")
    if given.follow and given.attempt is None:
        _Follower(asked, piece, given.rank, sys.stdout).run()
        return 0
    _copy(found[-1].path, 0, sys.stdout)
    return 0


def _chosen(asked: Asked, words: Sequence[str]) -> Piece | None:
    """Return the stage that is meant, or None where none was named and there are several."""
    if words or not asked.pieces:
        return the_stage(asked, words)
    only = list(asked.pieces.values())
    return only[0] if len(only) == 1 else None


def _choices(asked: Asked) -> Iterator[str]:
    """Yield what to type for the log of each stage of a run."""
    amount = len(asked.pieces)
    yield f"{asked.name} has {amount} stages; type one:"
    for piece in list(asked.pieces.values())[:_LISTED]:
        yield f"  {typed.about('logs', asked.folder, asked.outputs, piece.head)}"
    if amount > _LISTED:
        yield f"  and {amount - _LISTED:,} more"


def _of_attempt(asked: Asked, piece: Piece, found: Sequence[Log], attempt: int) -> list[Log]:
    chosen = [log for log in found if f"attempt {attempt}," in f"{log.title},"]
    own = {int(path.name): path for path in _attempts(asked, piece)}
    if chosen or attempt in own:
        return chosen or [Log(f"attempt {attempt}", own[attempt] / "log")]
    known = ", ".join(map(str, own)) or "none yet"
    raise StorageError(f"{piece.head} has no attempt {attempt}; its attempts: {known}")


def _nothing(asked: Asked, piece: Piece, rank: int) -> str:
    """Say why there is nothing to print."""
    starts = _starts(asked, piece)
    if not piece.is_stage and not starts:
        told = typed.about("status", asked.folder, asked.outputs)
        return f"{piece.head} is an evaluation and keeps no log here; how it went: {told}"
    if not starts and rank and _attempts(asked, piece):
        return f"{piece.head} ran in one process; leave --rank out"
    if starts:
        known = ", ".join(map(str, starts[-1].ranks)) or "none"
        return f"{piece.head} has no rank {rank} that printed; ranks that did: {known}"
    (seen,) = (each for each in look(asked, Cluster()) if each.fingerprint == piece.fingerprint)
    cause = f" ({seen.cause})" if seen.cause else ""
    return f"{piece.head} has printed nothing yet: it is {seen.state}{cause}"


def _copy(path: Path, start: int, out: TextIO) -> int:
    """Write a file from an offset on; return where it ends now."""
    try:
        with path.open("rb") as stream:
            stream.seek(start)
            while block := stream.read(_BLOCK):
                out.write(printable(block.decode("utf-8", errors="replace")))
            out.flush()
            return stream.tell()
    except FileNotFoundError:
        return start


class _Follower:
    """Prints what comes, from one start of a job to the next, until the stage has ended."""

    def __init__(
        self,
        asked: Asked,
        piece: Piece,
        rank: int,
        out: TextIO,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.asked = asked
        self.piece = piece
        self.rank = rank
        self.out = out
        self.clock = clock
        self._log: Log | None = None
        self._at = 0

    def run(self) -> None:
        """Follow until the stage can print no more."""
        asked_at: float | None = None
        said = ""
        self._drain()
        while True:
            ended = False
            if asked_at is None or self.clock() - asked_at >= _ASK:
                ended, state = self._ended()
                asked_at = self.clock()
                if self._log is None and not ended and state != said:
                    said = state
                    print(printable(f"# {state}"), file=self.out, flush=True)
            self._drain()
            if ended:
                return
            time.sleep(_POLL)

    def _drain(self) -> None:
        """Print what is new, of the present log first and then of those that follow it."""
        logs = logs_of(self.asked, self.piece, self.rank)
        known = [log.path for log in logs]
        if self._log is not None and self._log.path in known:
            self._at = _copy(self._log.path, self._at, self.out)
            following = logs[known.index(self._log.path) + 1 :]
        else:
            following = logs[-1:]
        for log in following:
            if self._log is not None:
                head = f"# {log.title}: {shown(str(log.path))}"
                print(printable(head), file=self.out, flush=True)
            self._log = log
            self._at = _copy(log.path, 0, self.out)

    def _ended(self) -> tuple[bool, str]:
        self.asked = read(self.asked.folder)
        (seen,) = (
            each
            for each in look(self.asked, Cluster())
            if each.fingerprint == self.piece.fingerprint
        )
        words = f"{seen.head} is {seen.state}" + (f": {seen.cause}" if seen.cause else "")
        return seen.state not in LIVE and seen.state != "unsubmitted", words
