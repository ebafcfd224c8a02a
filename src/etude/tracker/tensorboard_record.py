"""One folder of TensorBoard's event files.

A record that goes on from an earlier one holds what that had up to there, and begins by saying that
nothing of it counts any more; so every step is shown once, whatever a kill left behind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from etude.tracker.interface import Ended, Place

#: Seconds after which what was told is on disk.
FLUSH_SECONDS = 10

#: The number by which the runs of a sweep are told apart in TensorBoard's table of them.
LEADING = "evaluation/pass@1"


class TensorBoardRecord:
    """Writes an event file of its own into ``folder``."""

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # The first step at which older files of the folder do not count: all of them.
        self._writer = SummaryWriter(str(folder), purge_step=0, flush_secs=FLUSH_SECONDS)

    def log(self, place: Place, values: Mapping[str, float], at: float | None = None) -> None:
        """Add scalars at a step."""
        for key, value in values.items():
            self._writer.add_scalar(key, value, place.step, walltime=at)

    def table(
        self, name: str, place: Place, columns: Sequence[str], rows: Sequence[Sequence[Any]]
    ) -> None:
        """Add a table as text."""
        lines = [columns, ["---"] * len(columns), *rows]
        text = "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)
        self._writer.add_text(name, text, place.step)

    def text(self, name: str, text: str) -> None:
        """Add a text that holds of the whole."""
        self._writer.add_text(name, text, 0)

    def hyperparameters(self, values: Mapping[str, Any]) -> None:
        """Say what tells this run from the others of its sweep."""
        from torch.utils.tensorboard.summary import hparams

        for summary in hparams(dict(values), {LEADING: 0.0}):
            self._writer._get_file_writer().add_summary(summary)

    def facts(self, values: Mapping[str, Any]) -> None:
        """Add what holds of the whole as one text."""
        lines = [f"| {_cell(key)} | {_cell(value)} |" for key, value in values.items()]
        self.text("facts", "\n".join(["| | |", "| --- | --- |", *lines]))

    def page(self, name: str, path: Path) -> None:
        """Add nothing: TensorBoard shows no HTML. The facts say where the page is."""
        return

    def close(self, ended: Ended) -> None:
        """Write what is left and close the file."""
        self._writer.close()


def _cell(value: Any) -> str:
    """Return a cell as Markdown shows it: on one line, and no markup of the text's own."""
    text = "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
    for mark in "\\`*_|<>":
        text = text.replace(mark, f"&#{ord(mark)};")
    return "<br>".join(text.splitlines())
