"""`etude report`: one file that shows what runs were and what came of them; imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from etude.cli.frame import Parser, tell, warn
from etude.launch.seeing.asked import named_or_newest
from etude.plan.describe import shown
from etude.plan.quantities import size
from etude.recorded.outputs import Outputs


def main(arguments: Sequence[str]) -> int:
    """Write a report: etude report [RUN…] [--to FILE] [--outputs FOLDER]."""
    parser = Parser("etude report", description=main.__doc__)
    parser.add_argument("runs", nargs="*", help="parts of runs' names; default: the newest run")
    parser.add_argument("--to", type=Path, help="the file; default: report.html of the run")
    parser.add_argument("--outputs", type=Path, default=Path("outputs"), help="where runs lie")
    given = parser.parse_args(list(arguments))
    outputs = Outputs(given.outputs)
    folders = [named_or_newest(outputs.folder, wanted) for wanted in given.runs or [None]]
    runs = [outputs.run_in(folder) for folder in dict.fromkeys(folders)]
    from etude.report.writing import write

    path = write(outputs, runs, given.to)
    warn(outputs.problems)
    tell(f"report  {shown(path.absolute())}  ({size(path.stat().st_size)}, opens in any browser)")
    return 0
