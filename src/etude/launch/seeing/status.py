"""`etude status`: how far runs are, from their folders and from SLURM; imports no torch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from etude.cli.frame import Parser, tell
from etude.launch.seeing.asked import folders_of, matching, named_or_newest, read
from etude.launch.seeing.cluster import Cluster
from etude.launch.seeing.folders import Folders
from etude.launch.seeing.lines import RunState
from etude.launch.seeing.one_run import state_of
from etude.launch.seeing.watch import follow
from etude.plan import layout, typed
from etude.plan.quantities import counted
from etude.printable import in_json

#: Runs that are shown where none is named.
MOST = 5


def runs(outputs: Path, wanted: str | None = None, most: int | None = None) -> list[RunState]:
    """Return the runs under ``outputs``, newest first; ``wanted`` is part of a name.

    Raises StorageError when no run has that name.
    """
    return _states(_chosen(outputs, wanted)[:most])


def _chosen(outputs: Path, wanted: str | None) -> list[Path]:
    return folders_of(outputs) if wanted is None else matching(outputs, wanted)


def _states(folders: Iterable[Path]) -> list[RunState]:
    cluster = Cluster()
    listed: dict[Path, Folders] = {}
    found = []
    for folder in folders:
        asked = read(folder)
        if asked.outputs not in listed:
            listed[asked.outputs] = Folders(asked.outputs)
        found.append(state_of(asked, cluster, listed[asked.outputs]))
    return found


def lines(
    outputs: Path, wanted: str | None = None, most: int = MOST, everything: bool = False
) -> Iterator[str]:
    """Yield what ``etude status`` prints: the newest runs, or those whose name has ``wanted``."""
    folders = _chosen(outputs, wanted)
    if not folders:
        yield f"no runs under {outputs / layout.RUNS}"
    told: set[str] = set()
    for run in _states(folders[:most]):
        for text in run.lines(everything):
            # What does not answer is said once, not for every run.
            if text.startswith(" note: "):
                if text in told:
                    continue
                told.add(text)
            yield text
    if len(folders) > most:
        named = " ".join(["etude status NAME", *typed.option(outputs)])
        yield f"and {counted(len(folders) - most, 'older run')}: {named}"


def as_json(states: Iterable[RunState]) -> str:
    """Return runs as JSON for programs: counts, notes and every piece with all that is known."""
    content = [
        {
            "name": run.name,
            "folder": run.folder,
            "counts": run.counts,
            "notes": run.notes,
            "problems": run.problems,
            "stages": [asdict(each) for each in run.seen],
        }
        for run in states
    ]
    return json.dumps(content, indent=1, ensure_ascii=False)


def main(arguments: Sequence[str]) -> int:
    """Tell how far runs are: etude status [RUN] [--all] [--json] [--watch] [--outputs FOLDER]."""
    parser = Parser("etude status", description=main.__doc__)
    parser.add_argument("run", nargs="?", help="part of a run's name; default: the newest runs")
    parser.add_argument("--all", action="store_true", help="every stage of a large run by itself")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--watch", action="store_true", help="follow one run to its end")
    parser.add_argument("--outputs", type=Path, default=Path("outputs"), help="where runs lie")
    given = parser.parse_args(list(arguments))
    outputs = given.outputs.expanduser().absolute()
    if given.watch:
        return follow(named_or_newest(outputs, given.run))
    if given.json:
        tell(in_json(as_json(runs(outputs, given.run, None if given.run else MOST))))
        return 0
    for line in lines(outputs, given.run, everything=given.all):
        tell(line)
    return 0
