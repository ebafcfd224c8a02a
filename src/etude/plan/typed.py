"""Commands about a run as a person types them where they stand."""

from __future__ import annotations

from pathlib import Path

from etude.config.quoting import pasted


def about(command: str, run: Path, outputs: Path, *more: str) -> str:
    """Return ``etude resume 77aa`` for the run in a folder, to paste into bash.

    ``more`` words follow the run's name; ``--outputs`` is there where a command typed here would
    look elsewhere.
    """
    words = ["etude", command, short(run), *more]
    return " ".join([*map(pasted, words), *option(outputs)])


def short(run: Path) -> str:
    """Return the last part of a run's name, which the commands take too."""
    return run.name.rpartition("-")[2]


def option(outputs: Path) -> list[str]:
    """Return ``--outputs FOLDER``, or nothing where that is where the commands look."""
    if outputs == Path("outputs").absolute():
        return []
    here = Path.cwd()
    return [
        "--outputs",
        pasted(str(outputs.relative_to(here) if outputs.is_relative_to(here) else outputs)),
    ]
