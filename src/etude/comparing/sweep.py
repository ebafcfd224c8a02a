"""The members of a sweep in one table, as its end and `etude status` show them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from etude.comparing.arms import Chosen, Entry, grouped
from etude.comparing.comparison import Comparison, compare
from etude.comparing.naming import entries_of_run
from etude.comparing.printed import lines
from etude.config.evaluations import MAIN
from etude.errors import DataError, StorageError
from etude.recorded.outputs import Outputs
from etude.recorded.run import Run

#: Members without a measurement that are named.
_NAMED = 3


def compared(folder: Path) -> Comparison | None:
    """Return the comparison of the members of the run in a folder, as :func:`all_compared` does."""
    outputs = Outputs(folder.parent.parent)
    return all_compared(outputs, [outputs.run_in(folder)])


def all_compared(outputs: Outputs, runs: Sequence[Run]) -> Comparison | None:
    """Return the comparison of all members of some runs; None where there is none to make.

    By main, or by the evaluation that all members have where main is switched off.
    """
    for of in _evaluations(runs):
        chosen = Chosen(of)
        entries: list[Entry] = [
            entry for run in runs for entry in entries_of_run(run, outputs, chosen)
        ]
        missing = chosen.missing[:_NAMED]
        if len(chosen.missing) > _NAMED:
            missing.append(f"{len(chosen.missing) - _NAMED} members more have no measurement")
        try:
            return compare(grouped(entries), notes=missing)
        except (DataError, StorageError):
            continue  # fewer than two, no judged answers, or not on the same problems
    return None


def _evaluations(runs: Sequence[Run]) -> list[str]:
    """Return the names of what the members measured, main first."""
    names = dict.fromkeys(
        name
        for run in runs
        for member in run.members
        for stage in member.stages
        for name in stage.after
    )
    return sorted(names, key=lambda name: name != MAIN)


def sweep_lines(folder: Path, width: int | None = None) -> Iterator[str]:
    """Yield one table of a sweep's members; nothing where they cannot be compared."""
    found = compared(folder)
    if found is not None:
        yield from lines(found, short=True, width=width)
