"""`etude compare`: what runs, stages and evaluations prove against each other."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from etude.cli.frame import Parser, tell
from etude.cli.texts import COMPARE
from etude.errors import ConfigError, Fault

_BUDGETS = ("tokens", "steps", "time")


def main(arguments: Sequence[str]) -> int:
    """Compare what was measured and print the table; reads the record alone."""
    parser = Parser("etude compare", add_help=False)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--against")
    parser.add_argument("--by", default="")
    parser.add_argument("--metric", default="pass@1")
    parser.add_argument("--evaluation", default="main")
    parser.add_argument("--stage", default="")
    parser.add_argument("--at", default="")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--csv", action="store_true")
    parser.add_argument("--outputs", type=Path, default=Path("outputs"))
    parser.add_argument("-h", "--help", action="store_true")
    given = parser.parse_args(list(arguments))
    if given.help:
        print(COMPARE, end="")
        return 0
    if not given.words:
        raise ConfigError([Fault("RUN", "is missing: etude compare RUN RUN, or a sweep.")])
    budget, most = _budget(given.at)
    from etude.comparing.arms import Chosen, grouped
    from etude.comparing.budget import at_equal
    from etude.comparing.comparison import compare
    from etude.comparing.naming import entries_of
    from etude.comparing.printed import as_csv, as_json, lines
    from etude.printable import in_json
    from etude.recorded.outputs import Outputs

    outputs = Outputs(given.outputs)
    chosen = Chosen(given.evaluation, given.stage)
    arms = grouped(entries_of(given.words, outputs, chosen), given.by)
    notes = list(chosen.missing)
    if budget:
        arms, told = at_equal(arms, budget, most)
        notes += told
    found = compare(arms, given.metric, given.against, notes)
    if given.json:
        tell(in_json(json.dumps(as_json(found), indent=1, ensure_ascii=False, allow_nan=False)))
    elif given.csv:
        tell(as_csv(found), end="")
    else:
        wide = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        for text in lines(found, width=wide):
            tell(text)
    return 0


def _budget(typed: str) -> tuple[str, float | None]:
    """Return the budget of ``--at tokens`` or ``--at tokens=1e6``; empty where none was typed."""
    if not typed:
        return "", None
    name, equals, amount = typed.partition("=")
    if name not in _BUDGETS:
        what = f"is --at {', '.join(_BUDGETS)}, and =AMOUNT where it is not what all have spent."
        raise ConfigError([Fault(f"--at {typed}", what)])
    try:
        return name, float(amount) if equals else None
    except ValueError:
        raise ConfigError([Fault(f"--at {typed}", f"'{amount}' is no number.")]) from None
