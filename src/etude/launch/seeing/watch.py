"""Following a run to its end: a live table in a terminal, lines about what changed in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO

from etude.errors import Interrupted
from etude.launch.seeing.lines import SMALL, RunState, line
from etude.launch.seeing.one_run import run_state
from etude.launch.seeing.seen import LIVE, Seen
from etude.printable import printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

#: Seconds between two looks; each asks SLURM for the queue once.
INTERVAL = 5.0

_ROWS = 12


def follow(
    folder: Path,
    interval: float = INTERVAL,
    *,
    out: TextIO | None = None,
    state: Callable[[Path], RunState] = run_state,
    go_on: Callable[[], bool] = lambda: False,
) -> int:
    """Show how a run goes until nothing of it can change by itself; return the exit code.

    0: everything is done, 1: something is not, 130: Ctrl-C, which leaves the run alone. In a
    terminal a table is kept up to date, elsewhere a line tells each change. ``go_on`` is asked when
    nothing moves and something was not submitted yet; it tells whether that may change.
    """
    stream = out or sys.stdout
    view: _View = _Table(stream) if stream.isatty() else _Lines(stream)
    last = state(folder)
    try:
        with view:
            view.show(last)
            over = 0
            # A job that has just ended may not show its results yet: an end is seen twice.
            while over < 2:
                time.sleep(interval if not over else min(interval, 1.0))
                last = state(folder)
                view.show(last)
                over = 0 if _moves(last) else over + 1
                left = any(each.state == "unsubmitted" for each in last.seen)
                if over == 2 and left and go_on():
                    over = 0
    except KeyboardInterrupt:
        short = last.short
        stream.write(
            f"no longer watching; the run goes on. etude status {short} · etude cancel {short}\n"
        )
        return Interrupted.exit_code
    for text in last.lines():
        stream.write(printable(text) + "\n")
    stream.flush()
    return 0 if all(each.state == "done" for each in last.seen) else 1


def _moves(run: RunState) -> bool:
    return not run.is_over and any(each.state in LIVE for each in run.seen)


class _View(Protocol):
    def __enter__(self) -> _View: ...

    def __exit__(self, *ended: object) -> None: ...

    def show(self, run: RunState) -> None: ...


class _Lines:
    """Whole lines about what changed: failures at once, totals, and each stage of a small run."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._states: dict[str, tuple[str, str]] = {}
        self._head = ""
        self._notes: set[str] = set()

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *ended: object) -> None:
        return

    def show(self, run: RunState) -> None:
        """Write what is new since the last look."""
        for note in run.notes:
            if note not in self._notes:
                self._notes.add(note)
                self._say(f" note: {note}")
        if run.headline != self._head:
            self._head = run.headline
            self._say(f"{time.strftime('%H:%M:%S')} {run.headline}")
        for each in run.seen:
            now = (each.state, each.job)
            if self._states.get(each.fingerprint) == now:
                continue
            first = each.fingerprint not in self._states
            self._states[each.fingerprint] = now
            bad = each.state in _BAD
            if bad or (not first and len(run.seen) <= SMALL):
                for text in run.one(each):
                    self._say(text)

    def _say(self, text: str) -> None:
        self._out.write(printable(text) + "\n")
        self._out.flush()


_BAD = ("failed", "vanished", "stopped")


class _Table:
    """A table that is drawn anew in its place; failures are printed above it and stay."""

    def __init__(self, out: TextIO) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console: Console = Console(file=out, highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._told: set[tuple[str, str]] = set()

    def __enter__(self) -> _Table:
        self._live.start()
        return self

    def __exit__(self, *ended: object) -> None:
        self._live.stop()

    def show(self, run: RunState) -> None:
        """Draw a run; what went wrong since the last look is printed above."""
        from rich.text import Text

        for each in run.seen:
            key = (each.fingerprint, each.job)
            if each.state in _BAD and key not in self._told:
                self._told.add(key)
                for text in run.one(each):
                    self._console.print(Text(printable(text), style="red"), soft_wrap=True)
        self._live.update(table(run, max(4, self._console.height - 8)), refresh=True)


def table(run: RunState, rows: int = _ROWS) -> RenderableType:
    """Return a run as a table: names by state, then what runs and what waits, ``rows`` in all."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    parts: list[RenderableType] = [Text(printable(run.headline), style="bold")]
    parts += [Text(printable(f" note: {note}"), style="yellow") for note in run.notes]
    totals = Table(box=None, padding=(0, 2, 0, 1), header_style="dim")
    states = list(run.counts)
    totals.add_column("stage")
    for state in states:
        totals.add_column(state, justify="right", style=_STYLES.get(state, ""))
    for name, amounts in _amounts(run.seen, states):
        totals.add_row(name, *(str(amount or "") for amount in amounts))
    parts.append(totals)
    some = list(_interesting(run.seen))
    for each in some[:rows]:
        style = _STYLES.get(each.state, "")
        parts.append(
            Text(printable(f" {line(each)}"), style=style, no_wrap=True, overflow="ellipsis")
        )
    if len(some) > rows:
        parts.append(Text(f" and {len(some) - rows:,} more", style="dim"))
    parts.append(Text(" Ctrl-C stops watching; the run goes on", style="dim"))
    return Group(*parts)


_STYLES = {"done": "green", "running": "cyan", "failed": "red", "vanished": "red"}


def _amounts(seen: Sequence[Seen], states: Sequence[str]) -> Iterator[tuple[str, list[int]]]:
    by_name: dict[str, dict[str, int]] = {}
    for each in seen:
        own = by_name.setdefault(each.name, dict.fromkeys(states, 0))
        own[each.state] += 1
    for name, amounts in by_name.items():
        yield name, list(amounts.values())


def _interesting(seen: Sequence[Seen]) -> Iterator[Seen]:
    for state in ("running", "waiting", "queued"):
        yield from (each for each in seen if each.state == state)
