"""Completion for the commands that take a run: its names, its stages, their flags."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from etude.errors import StorageError
from etude.plan import layout

_FLAGS = {
    "status": ("--all", "--json", "--watch", "--outputs"),
    "logs": ("--follow", "--rank", "--attempt", "--outputs"),
    "cancel": ("--all", "--outputs"),
    "resume": ("--outputs",),
    "report": ("--to", "--outputs"),
    "export": (
        "--to",
        "--overwrite",
        "--role",
        "--stage",
        "--name",
        "--base",
        "--license",
        "--row",
        "--csv",
        "--outputs",
    ),
    "compare": (
        "--against",
        "--by",
        "--metric",
        "--evaluation",
        "--stage",
        "--at",
        "--json",
        "--csv",
        "--outputs",
    ),
}
OF_RUNS = tuple(_FLAGS)
_VALUED = (
    "--outputs",
    "--rank",
    "--attempt",
    "--name",
    "--base",
    "--license",
    "--role",
    "--to",
    "--against",
    "--by",
    "--metric",
    "--evaluation",
    "--stage",
    "--at",
)


def of_runs(words: Sequence[str], current: str) -> list[str]:
    """Return what the last word may become after ``words``, the first of which is the command."""
    command, *rest = words
    if current.startswith("-"):
        return [flag for flag in _FLAGS[command] if flag.startswith(current)]
    outputs = Path("outputs")
    given = []
    place = iter(rest)
    for word in place:
        if word in _VALUED:
            value = next(place, None)
            if value is None:
                return []
            outputs = Path(value) if word == "--outputs" else outputs
        elif not word.startswith("-"):
            given.append(word)
    outputs = outputs.expanduser().absolute()
    if command in ("compare", "export"):
        return [*_names(outputs, current), *_heads(outputs, current)]
    if not given or command == "report":
        return _names(outputs, current)
    if command == "logs":
        return sorted(word for word in set(_stages(outputs, given)) if word.startswith(current))
    return []


def _names(outputs: Path, current: str) -> list[str]:
    """Return the names of runs that begin with a word, else their last parts that do."""
    from etude.launch.seeing.asked import folders_of

    names = [path.name for path in folders_of(outputs)]
    whole = [name for name in names if name.startswith(current)]
    return whole or [
        last for last in (name.rpartition("-")[2] for name in names) if last.startswith(current)
    ]


def _heads(outputs: Path, current: str) -> list[str]:
    """Return the names of stages and evaluations that begin with a word."""
    if not current:
        return []  # thousands would hide the runs
    parents = (outputs / layout.STAGES, outputs / layout.EVALUATIONS)
    names = (path.name for parent in parents for path in parent.glob("[!.]*"))
    return sorted(name for name in names if name.startswith(current))


def _stages(outputs: Path, given: Sequence[str]) -> Iterator[str]:
    """Yield names of stages, and after one the overrides that tell its namesakes apart."""
    from etude.launch.seeing.asked import read, the_one

    try:
        asked = read(the_one(outputs, given[0]))
    except StorageError:
        return  # no such run: there is nothing to offer
    for piece in asked.pieces.values():
        if len(given) == 1:
            yield from (piece.name, piece.head)
        elif given[1] in (piece.name, piece.head):
            yield from (each for each in piece.overrides if each not in given)
