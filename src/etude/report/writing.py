"""A report written into its file, whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from etude.errors import StorageError
from etude.execute import atomic
from etude.recorded.outputs import Outputs
from etude.recorded.run import Run
from etude.report.gather import gather

NAME = "report.html"


def place_of(runs: Sequence[Run]) -> Path:
    """Return where the report of some runs lies: in the folder of one, beside those of several."""
    if len(runs) == 1:
        return runs[0].folder / NAME
    short = "-".join(run.name.rpartition("-")[2] for run in runs)
    return runs[0].outputs / f"report-{short[:80]}.html"


def write(outputs: Outputs, runs: Sequence[Run], place: Path | None = None) -> Path:
    """Write the report of some runs and return its path.

    Raises StorageError where it cannot be written, or what it needs is not installed.
    """
    path = place or place_of(runs)
    try:
        from etude.report.contents import contents
        from etude.report.page import render

        text = render(contents(gather(outputs, runs)))
    except ImportError as error:
        raise StorageError(
            f"the report of {runs[0].name} cannot be drawn: {error.name or error} is not "
            f"installed; type pip install {error.name or 'matplotlib'}"
        ) from error
    atomic.write_text(path, text)
    return path
